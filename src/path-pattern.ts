/**
 * Patterns of paths, compiled, and templates that are filled from what they took. `:name` takes one
 * segment that is not empty, a last `*` the rest (which may be empty). Literal parts are compared as
 * sent. Pure.
 */
import { AriesError } from './errors.ts'

/** What a pattern took of a path, as sent: by name, and the rest under `*`. */
export type Taken = Readonly<Record<string, string>>

const NOTHING: Taken = {}

export class PathPattern {
  /** Literal text that a path must begin with: most paths are refused by it alone. */
  readonly #prefix: string
  /** Undefined when the whole pattern is literal. */
  readonly #regExp: RegExp | undefined

  /** Throws `ARIES_E_CONFIG` when a name is used twice. */
  constructor(pattern: string) {
    this.#prefix = /^[^:*]*/.exec(pattern)![0]
    if (this.#prefix === pattern) return
    const source = pattern
      .split('/')
      .map((segment, i, all) => {
        if (/^:[A-Za-z_]\w*$/.test(segment)) return `(?<${segment.slice(1)}>[^/]+)`
        if (i < all.length - 1 || !segment.endsWith('*')) return escapeRegExp(segment)
        return `${escapeRegExp(segment.slice(0, -1))}(?<${REST}>.*)`
      })
      .join('/')
    try {
      this.#regExp = new RegExp(`^${source}$`, 's')
    } catch {
      throw new AriesError('ARIES_E_CONFIG', `route ${pattern}: a name is used twice`)
    }
  }

  /** Undefined when the path is another. */
  match(path: string): Taken | undefined {
    if (!path.startsWith(this.#prefix)) return undefined
    if (this.#regExp === undefined) return path.length === this.#prefix.length ? NOTHING : undefined
    return this.#regExp.exec(path)?.groups
  }
}

/** No name of a segment: those do not begin with a dollar. */
const REST = '$rest'

/**
 * `template` with its `:name` and its last `*` replaced by what the pattern took, and the query of
 * `target` behind it. A path that came out of it never names another host: `//host` and `/\host`
 * would, for a browser.
 */
export function fillTemplate(template: string, taken: Taken, target: string): string {
  const filled = template
    .replace(/:([A-Za-z_]\w*)/g, (text, name: string) => taken[name] ?? text)
    .replace(/\*$/, () => taken[REST] ?? '')
  const own = filled.startsWith('/') ? filled.replace(/^[/\\]+/, '/') : filled
  const at = target.indexOf('?')
  if (at < 0) return own
  return `${own}${own.includes('?') ? '&' : '?'}${target.slice(at + 1)}`
}

/** The names in `template` that `pattern` does not take; `*` among them. */
export function unknownNames(template: string, pattern: string): string[] {
  const known = new Set(pattern.match(/:[A-Za-z_]\w*/g))
  const names: string[] = template.match(/:[A-Za-z_]\w*/g) ?? []
  const rest = template.endsWith('*') && !pattern.endsWith('*') ? ['*'] : []
  return [...names.filter((name) => !known.has(name)), ...rest]
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
