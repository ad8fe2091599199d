/**
 * The routes of the configuration, compiled: which task, worker or upstreams a path means. Pure.
 * Patterns are tried in order; `:name` takes one segment that is not empty, a last `*` the rest
 * (which may be empty). Literal parts are compared as sent; parameters are percent-decoded.
 */
import { parseUpstream } from '../config/address.ts'
import { moduleName } from '../config/module-name.ts'
import type { Route } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { KEY_BYTES_MAX, type WorkerId } from '../identity.ts'

export type CompiledRoute =
  | { readonly kind: 'task'; readonly path: string; readonly task: string }
  | { readonly kind: 'worker'; readonly path: string; readonly class: string }
  | {
      readonly kind: 'upstreams'
      readonly path: string
      readonly upstreams: readonly UpstreamAddress[]
      readonly forwarder: 'aries' | 'http-proxy'
    }

/** A server that Aries did not start. */
export interface UpstreamAddress {
  /** `http://host:port` or `tcp://host:port`: its name in logs and metrics. */
  readonly url: string
  readonly host: string
  readonly port: number
}

export type Match =
  | { readonly route: Extract<CompiledRoute, { kind: 'task' | 'upstreams' }> }
  | { readonly route: Extract<CompiledRoute, { kind: 'worker' }>; readonly worker: WorkerId }

interface Pattern {
  readonly route: CompiledRoute
  /** Literal text that a path must begin with: most patterns are refused by it alone. */
  readonly prefix: string
  /** Undefined when the whole pattern is literal. */
  readonly regExp: RegExp | undefined
}

export class RouteTable {
  readonly #patterns: readonly Pattern[]

  /** Throws `ARIES_E_CONFIG` on a route that cannot be served. */
  constructor(routes: readonly Route[]) {
    this.#patterns = routes.map((route) => ({
      route: compileRoute(route),
      ...compilePattern(route.path),
    }))
  }

  get routes(): readonly CompiledRoute[] {
    return this.#patterns.map((pattern) => pattern.route)
  }

  /**
   * The first route whose pattern matches. Throws `ARIES_E_BAD_REQUEST` when the worker's key is
   * not percent-encoded UTF-8 or too long.
   */
  match(path: string): Match | undefined {
    for (const { route, prefix, regExp } of this.#patterns) {
      if (!path.startsWith(prefix)) continue
      if (regExp === undefined && path.length !== prefix.length) continue
      const found = regExp?.exec(path)
      if (found === null) continue
      if (route.kind !== 'worker') return { route }
      return { route, worker: { class: route.class, key: decodeKey(found?.groups?.['key'] ?? '') } }
    }
    return undefined
  }
}

/** Throws `ARIES_E_CONFIG` unless `url` is `<scheme>://host:port`. */
export function upstreamAddress(url: string, scheme: 'http' | 'tcp'): UpstreamAddress {
  const address = parseUpstream(url, scheme)
  if (!address) {
    throw new AriesError('ARIES_E_CONFIG', `upstream "${url}" is not ${scheme}://host:port`)
  }
  return { url, ...address }
}

function compileRoute(route: Route): CompiledRoute {
  const { path } = route
  if ('task' in route) return { kind: 'task', path, task: moduleName(route.task) }
  if ('upstreams' in route) {
    const upstreams = route.upstreams.map((url) => upstreamAddress(url, 'http'))
    return { kind: 'upstreams', path, upstreams, forwarder: route.forwarder }
  }
  if (!path.split('/').includes(':key')) {
    throw new AriesError('ARIES_E_CONFIG', `route ${path}: a worker's path needs a segment ":key"`)
  }
  return { kind: 'worker', path, class: moduleName(route.worker) }
}

function compilePattern(path: string): Omit<Pattern, 'route'> {
  const prefix = /^[^:*]*/.exec(path)![0]
  if (prefix === path) return { prefix, regExp: undefined }
  const source = path
    .split('/')
    .map((segment, i, all) => {
      if (/^:[A-Za-z_]\w*$/.test(segment)) return `(?<${segment.slice(1)}>[^/]+)`
      const literal = escapeRegExp(segment.replace(/\*$/, ''))
      return i === all.length - 1 && segment.endsWith('*') ? `${literal}.*` : escapeRegExp(segment)
    })
    .join('/')
  try {
    return { prefix, regExp: new RegExp(`^${source}$`, 's') }
  } catch {
    throw new AriesError('ARIES_E_CONFIG', `route ${path}: a name is used twice`)
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function decodeKey(encoded: string): string {
  let key: string
  try {
    key = decodeURIComponent(encoded)
  } catch {
    throw new AriesError('ARIES_E_BAD_REQUEST', 'the key in the path is not percent-encoded UTF-8')
  }
  if (key.includes('\0')) {
    throw new AriesError('ARIES_E_BAD_REQUEST', 'the key holds a NUL, which no store can keep')
  }
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw new AriesError('ARIES_E_BAD_REQUEST', `the key is longer than ${KEY_BYTES_MAX} bytes`)
  }
  return key
}
