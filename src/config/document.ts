import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml'
import { type Environment, interpolate } from './interpolate.ts'
import type { KeyPath, Located, Position, Problems } from './problems.ts'

/** One YAML file: its data with the environment filled in, and where each value stands. */
export class ConfigDocument implements Located {
  readonly file: string
  readonly #doc: Document.Parsed
  readonly #lines: LineCounter
  readonly #interpolated = new Set<Scalar>()

  private constructor(file: string, doc: Document.Parsed, lines: LineCounter) {
    this.file = file
    this.#doc = doc
    this.#lines = lines
  }

  /** Undefined when the text is no YAML; `problems` then says why. Never quotes the text. */
  static parse(
    file: string,
    text: string,
    env: Environment,
    problems: Problems,
  ): ConfigDocument | undefined {
    const lines = new LineCounter()
    const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false })
    const document = new ConfigDocument(file, doc, lines)
    const before = problems.count
    for (const error of [...doc.errors, ...doc.warnings]) {
      // The message may quote the source after a colon, and the source may be a secret.
      const words = error.message.replace(/[:;] ["']?.*$/s, '')
      problems.addAt(file, document.#position(error.pos[0]), words)
    }
    if (problems.count === before) document.#fillIn(env, problems)
    if (problems.count === before) {
      try {
        doc.toJS()
      } catch {
        problems.addAt(file, document.#position(0), 'its aliases multiply beyond what is read')
      }
    }
    return problems.count === before ? document : undefined
  }

  get data(): unknown {
    return this.#doc.toJS()
  }

  locate(path: KeyPath, part: 'key' | 'value' = 'value'): Position {
    let node = this.#doc.contents as Node | null
    let offset = node?.range?.[0] ?? 0
    for (const [depth, step] of path.entries()) {
      const next = this.#step(node, step)
      if (next === undefined) break
      const wanted = part === 'key' && depth === path.length - 1 ? next.key : next.value
      offset = (wanted ?? next.key)?.range?.[0] ?? offset
      node = next.value ?? null
    }
    return this.#position(offset)
  }

  /**
   * The scalar at `path` was filled in from the environment and reads as a number or boolean:
   * makes it one. A scalar of the file itself already has the type that YAML gave it.
   */
  coerce(path: KeyPath, type: 'number' | 'boolean'): boolean {
    const node = this.#nodeAt(path)
    if (!isScalar(node) || !this.#interpolated.delete(node)) return false
    const text = String(node.value).trim()
    if (type === 'boolean' && (text === 'true' || text === 'false')) node.value = text === 'true'
    else if (type === 'number' && text !== '' && Number.isFinite(Number(text))) {
      node.value = Number(text)
    } else return false
    return true
  }

  #fillIn(env: Environment, problems: Problems): void {
    visit(this.#doc, {
      Alias: (_key, alias) => {
        if (alias.resolve(this.#doc) === undefined) {
          problems.addAt(
            this.file,
            this.#position(alias.range?.[0] ?? 0),
            'there is no such anchor',
          )
        }
      },
      Scalar: (_key, scalar) => {
        if (typeof scalar.value !== 'string' || !scalar.value.includes('${')) return
        const { text, problems: found } = interpolate(scalar.value, env)
        for (const words of found) {
          problems.addAt(this.file, this.#position(scalar.range?.[0] ?? 0), words)
        }
        scalar.value = text
        this.#interpolated.add(scalar)
      },
    })
  }

  #nodeAt(path: KeyPath): Node | null {
    let node = this.#doc.contents as Node | null
    for (const step of path) node = this.#step(node, step)?.value ?? null
    return this.#resolve(node)
  }

  #step(from: Node | null, step: string | number): { key?: Node; value?: Node } | undefined {
    const node = this.#resolve(from)
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === step)
      if (pair === undefined) return undefined
      return { key: pair.key as Node, ...(pair.value ? { value: pair.value as Node } : {}) }
    }
    if (isSeq(node) && typeof step === 'number') {
      const item = node.items[step] as Node | undefined
      return item === undefined ? undefined : { value: item }
    }
    return undefined
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#doc) ?? null) : node
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}
