/** What must hold of routes and their modules; names of tasks and worker classes. */
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { RouteInfo } from '../admin/api.ts'
import { isClassName } from '../identity.ts'
import { unknownNames } from '../path-pattern.ts'
import { parseUpstream, upstreamForms } from './address.ts'
import { items } from './map.ts'
import { moduleName } from './module-name.ts'
import { formatFile, type KeyPath, type Located, type Problems } from './problems.ts'
import { listenerSchema } from './schema/listeners.ts'
import { routeSchema } from './schema/routes.ts'
import type { Config, ModuleName, Route } from './schema.ts'

export interface CheckedRoutes {
  readonly routes: readonly Route[]
  readonly tasks: ReadonlyMap<ModuleName, string>
  readonly classes: ReadonlyMap<ModuleName, string>
}

/** The routes as people read them, for `aries status` and `aries dev`. */
export function describeRoutes(config: Pick<Config, 'routes'>): RouteInfo[] {
  return config.routes.map((route) => {
    if ('task' in route)
      return { path: route.path, kind: 'task', targets: [moduleName(route.task)] }
    if ('worker' in route) {
      return { path: route.path, kind: 'worker', targets: [moduleName(route.worker)] }
    }
    if ('redirect' in route) {
      return { path: route.path, kind: 'redirect', targets: [route.redirect] }
    }
    if ('respond' in route) {
      return { path: route.path, kind: 'respond', targets: [String(route.respond.status)] }
    }
    return { path: route.path, kind: 'upstreams', targets: route.upstreams.flatMap(urlsOf) }
  })
}

type UpstreamsRoute = Extract<Route, { upstreams: unknown }>

/** An entry of a route's upstreams. */
export type UpstreamEntry = UpstreamsRoute['upstreams'][number]

/** How its entries say that TLS is spoken to upstreams, by their URLs. */
export function upstreamTlsOf(routes: readonly Route[]) {
  const found = new Map<string, NonNullable<Exclude<UpstreamEntry, string>['tls']>>()
  for (const route of routes) {
    if (!('upstreams' in route)) continue
    for (const entry of route.upstreams) {
      if (isText(entry) || !entry.tls) continue
      for (const url of urlsOf(entry)) found.set(url, entry.tls)
    }
  }
  return found
}

/** The URLs that the entry is about. */
export function urlsOf(entry: UpstreamEntry): readonly string[] {
  return typeof entry === 'string' ? [entry] : [entry.url].flat()
}

/** Checks those routes of `data` that have the right shape, and makes their modules absolute. */
export async function checkRoutes(
  data: unknown,
  document: Located,
  problems: Problems,
): Promise<CheckedRoutes> {
  const routes: Route[] = []
  const modules = new Modules(document, problems)
  const seen = new Map<string, KeyPath>()
  const rules = new Map<string, { at: KeyPath; text: string }>()
  for (const [path, value] of items(data, 'routes')) {
    const route = routeSchema.safeParse(value).data
    if (route === undefined) continue
    const at: KeyPath = [...path, 'path']
    for (const words of patternProblems(route)) problems.add(document, at, words)
    const same = seen.get(taking(route))
    if (same)
      problems.add(document, at, `is never reached: routes[${same[1]}] takes the same requests`)
    else seen.set(taking(route), path)

    if ('task' in route)
      routes.push({ ...route, task: await modules.add('task', route.task, path) })
    else if ('worker' in route) {
      routes.push({ ...route, worker: await modules.add('worker', route.worker, path) })
    } else if ('redirect' in route) {
      for (const name of unknownNames(route.redirect, route.path)) {
        problems.add(document, [...path, 'redirect'], `has \`${name}\`, and its path has not`)
      }
      routes.push(route)
    } else if ('respond' in route) routes.push(route)
    else {
      checkEntries(route, path, document, problems)
      checkRules(route, path, rules, document, problems)
      if (route.hedge && route.sticky) {
        const words = 'does not go with `sticky`: a second upstream would answer bound clients'
        problems.add(document, [...path, 'hedge'], words)
      }
      const mirrorPath: KeyPath = [...path, 'mirror', 'upstreams']
      checkUpstreams(route.mirror?.upstreams ?? [], 'http', mirrorPath, document, problems)
      for (const name of unknownNames(route.rewrite ?? '', route.path)) {
        problems.add(document, [...path, 'rewrite'], `has \`${name}\`, and its path has not`)
      }
      routes.push(withTlsFiles(route, dirname(document.file)))
    }
  }
  for (const [path, value] of items(data, 'listeners')) {
    const listener = listenerSchema.safeParse(value).data
    if (listener && 'worker' in listener) await modules.add('worker', listener.worker, path)
  }
  return { routes, tasks: modules.tasks, classes: modules.classes }
}

export function checkUpstreams(
  upstreams: readonly string[],
  scheme: 'http' | 'tcp',
  path: KeyPath,
  document: Located,
  problems: Problems,
): void {
  for (const [index, text] of upstreams.entries()) {
    if (parseUpstream(text, scheme) !== undefined) continue
    problems.add(document, [...path, index], `must be ${upstreamForms(scheme)}`)
  }
}

function checkEntries(
  { upstreams, sticky, forwarder }: Extract<Route, { upstreams: unknown }>,
  path: KeyPath,
  document: Located,
  problems: Problems,
): void {
  const seen = new Set<string>()
  for (const [index, entry] of upstreams.entries()) {
    const at: KeyPath = [...path, 'upstreams', index]
    for (const [i, url] of urlsOf(entry).entries()) {
      const where: KeyPath = isList(entry) ? [...at, 'url', i] : isText(entry) ? at : [...at, 'url']
      if (parseUpstream(url, 'http') === undefined) {
        problems.add(document, where, `must be ${upstreamForms('http')}`)
      } else if (forwarder === 'http-proxy' && !url.startsWith('http://')) {
        problems.add(document, where, 'must be `http://…` with `forwarder: http-proxy`')
      } else if (seen.has(url)) problems.add(document, where, 'stands in the list twice')
      seen.add(url)
    }
  }
  for (const [index, entry] of upstreams.entries()) {
    if (isText(entry) || !entry.tls) continue
    const at: KeyPath = [...path, 'upstreams', index, 'tls']
    if (urlsOf(entry).some((url) => !/^(https|h2):/.test(url))) {
      problems.add(document, at, 'is for `https://` and `h2://` alone')
    }
    if ((entry.tls.cert === undefined) !== (entry.tls.key === undefined)) {
      problems.add(document, at, 'needs both `cert` and `key`, or none')
    }
  }
  const weights = upstreams.map((entry) => (isText(entry) ? undefined : entry.weight) ?? 1)
  if (weights.every((weight) => weight === 0)) {
    problems.add(document, [...path, 'upstreams'], 'needs an entry whose weight is not 0')
  }
  if (sticky && 'cookie' in sticky && sticky.sameSite === 'none' && sticky.secure === 'never') {
    problems.add(
      document,
      [...path, 'sticky', 'secure'],
      'must not be `never`: browsers drop a cookie of `sameSite: none` that is not secure',
    )
  }
}

/** With the files of the TLS to its upstreams made absolute. */
function withTlsFiles(route: UpstreamsRoute, folder: string): UpstreamsRoute {
  const absolute = (file: string | undefined) => file && resolve(folder, file)
  const upstreams = route.upstreams.map((entry) => {
    if (isText(entry) || !entry.tls) return entry
    const { ca, cert, key } = entry.tls
    const files = { ca: absolute(ca), cert: absolute(cert), key: absolute(key) }
    return { ...entry, tls: { ...entry.tls, ...files } }
  })
  return { ...route, upstreams }
}

/** An upstream is one, on however many routes: it is checked in one way. */
function checkRules(
  { upstreams, health, outliers }: Extract<Route, { upstreams: unknown }>,
  path: KeyPath,
  rules: Map<string, { at: KeyPath; text: string }>,
  document: Located,
  problems: Problems,
): void {
  const values = upstreams.flatMap((entry) => {
    const rows = urlsOf(entry).map((url) => ({
      url,
      health,
      outliers,
      tls: isText(entry) ? undefined : entry.tls,
    }))
    return rows
  })
  for (const { url, ...own } of values) {
    for (const [name, value] of Object.entries(own)) {
      if (value === undefined) continue
      const text = JSON.stringify(value)
      const other = rules.get(`${name} ${url}`)
      if (other === undefined) rules.set(`${name} ${url}`, { at: path, text })
      else if (other.text !== text) {
        const words = `is another for ${url} in routes[${other.at[1]}]; an upstream has one`
        problems.add(document, [...path, name], words)
        break
      }
    }
  }
}

function isText(entry: UpstreamEntry): entry is string {
  return typeof entry === 'string'
}

function isList(entry: UpstreamEntry): boolean {
  return !isText(entry) && typeof entry.url !== 'string'
}

const SEGMENT = /^(?::[A-Za-z_][A-Za-z0-9_]*|[^:*?#\s\\]+)$/

function patternProblems(route: Route): string[] {
  const problems: string[] = []
  const segments = route.path.slice(1).split('/')
  const names = segments.filter((segment) => segment.startsWith(':'))
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1
    if (last ? segment === '' || segment === '*' : false) continue
    if (segment === '*') problems.push('only the last segment may be `*`')
    else if (segment === '') problems.push('has an empty segment')
    else if (!SEGMENT.test(segment)) {
      problems.push(`\`${segment}\` is neither text, \`:name\` nor a last \`*\``)
    }
  }
  if (new Set(names).size < names.length) problems.push('names a segment twice')
  if ('worker' in route && names.filter((name) => name === ':key').length !== 1) {
    problems.push('needs exactly one segment `:key`, the key of the worker')
  }
  return problems
}

/** What decides which requests it takes: the names of its segments do not. */
function taking({ path, host, scheme, methods, headers, query }: Route): string {
  return JSON.stringify([path.replace(/:[^/]+/g, ':'), host, scheme, methods, headers, query])
}

class Modules {
  readonly tasks = new Map<ModuleName, string>()
  readonly classes = new Map<ModuleName, string>()
  readonly #document: Located
  readonly #problems: Problems

  constructor(document: Located, problems: Problems) {
    this.#document = document
    this.#problems = problems
  }

  /** The absolute path of the module that the route at `path` names. */
  async add(kind: 'task' | 'worker', named: string, path: KeyPath): Promise<string> {
    const file = resolve(dirname(this.#document.file), named)
    const words = (await moduleProblem(file)) ?? this.#nameProblem(kind, file)
    if (words) this.#problems.add(this.#document, [...path, kind], words)
    return file
  }

  #nameProblem(kind: 'task' | 'worker', file: string): string | undefined {
    const name = moduleName(file)
    const [same, other] = kind === 'task' ? [this.tasks, this.classes] : [this.classes, this.tasks]
    if (!isClassName(name)) {
      return `\`${name}\` is no name: a letter, then up to 62 letters, digits, - or _`
    }
    const before = same.get(name)
    if (before !== undefined && before !== file) {
      return `another module is already called ${name}: ${formatFile(before)}`
    }
    if (other.get(name) === file) return 'one module is a task or a worker class, not both'
    same.set(name, file)
    return undefined
  }
}

async function moduleProblem(file: string): Promise<string | undefined> {
  try {
    return (await stat(file)).isFile() ? undefined : `${formatFile(file)} is not a file`
  } catch {
    return `there is no file ${formatFile(file)}`
  }
}
