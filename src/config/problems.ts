import { relative } from 'node:path'
import { AriesError } from '../errors.ts'

/** Keys and indices from the root of a file to a value in it. */
export type KeyPath = readonly (string | number)[]

/** Where something stands in a file; line and column count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Anything that can say where a path of it stands. */
export interface Located {
  readonly file: string
  /** Of the value at `path`, or of what holds it when it is absent; `'key'`: of its key. */
  locate(path: KeyPath, part?: 'key' | 'value'): Position
}

interface Problem {
  readonly file: string
  readonly position: Position | undefined
  readonly path: KeyPath
  readonly words: string
}

/** `routes[2].path` */
export function formatPath(path: KeyPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** A file as people name it: relative to where they are when it lies below, else absolute. */
export function formatFile(file: string): string {
  const short = relative(process.cwd(), file)
  return short === '' || short.startsWith('..') ? file : short
}

/** Gathers everything that is wrong, so that one run tells all of it. */
export class Problems {
  readonly #list: Problem[] = []
  readonly #first: string

  /** `first`: the file whose problems are told first. */
  constructor(first: string) {
    this.#first = first
  }

  get count(): number {
    return this.#list.length
  }

  add(where: Located, path: KeyPath, words: string, part: 'key' | 'value' = 'value'): void {
    this.addAt(where.file, where.locate(path, part), words, path)
  }

  addAt(file: string, position: Position | undefined, words: string, path: KeyPath = []): void {
    this.#list.push({ file, position, path, words })
  }

  /** All of them, in the order of the files and lines, as one `ARIES_E_CONFIG`. */
  toError(): AriesError {
    const lines = this.#inOrder().map(formatProblem)
    const message =
      lines.length === 1
        ? lines[0]!
        : `${lines.length} problems\n${lines.map((line) => `  ${line}`).join('\n')}`
    return new AriesError('ARIES_E_CONFIG', message)
  }

  #inOrder(): Problem[] {
    const files = [...new Set([this.#first, ...this.#list.map((problem) => problem.file)])]
    return this.#list.toSorted(
      (a, b) =>
        files.indexOf(a.file) - files.indexOf(b.file) ||
        (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
        (a.position?.column ?? 0) - (b.position?.column ?? 0),
    )
  }
}

function formatProblem(problem: Problem): string {
  const { position, path } = problem
  const at = position === undefined ? '' : `:${position.line}:${position.column}`
  const key = path.length === 0 ? '' : `${formatPath(path)}: `
  return `${formatFile(problem.file)}${at}: ${key}${problem.words}`
}
