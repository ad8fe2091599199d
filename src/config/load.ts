import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { formatAddress, parseAddress, UNIX_PREFIX, unixPath } from './address.ts'
import { checkClasses } from './class-checks.ts'
import { resolveClasses } from './classes.ts'
import { ConfigDocument } from './document.ts'
import type { Environment } from './interpolate.ts'
import { validate } from './issues.ts'
import { resolveKeys } from './keys.ts'
import { checkDoubles, type Listen, listenerListens } from './listens.ts'
import { type CheckedMap, checkMap, items } from './map.ts'
import { type KeyPath, Problems } from './problems.ts'
import { checkRoutes, checkUpstreams } from './routes.ts'
import { STDOUT } from './schema/front.ts'
import { listenerSchema } from './schema/listeners.ts'
import { mapSchema } from './schema/map.ts'
import { type ClusterMap, type Config, configSchema, type Listener } from './schema.ts'
import { resolveStore, sqliteFile, storeProblem } from './store.ts'

/** The environment variable that `aries dev` sets for its members. */
export const DEV = 'ARIES_DEV'

export interface LoadOptions {
  /** The map to use instead of the one that the configuration names. */
  readonly mapFile?: string
  /** Where `${VAR}` is filled in from; default `process.env`. */
  readonly env?: Environment
}

/**
 * Reads and checks `file` and its map. Throws one `ARIES_E_CONFIG` whose message has a line
 * `file:line:column: path: what is wrong` for every problem found.
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<Config> {
  const env = options.env ?? process.env
  const configFile = resolve(file)
  const problems = new Problems(configFile)
  const folder = dirname(configFile)

  const document = await read(configFile, env, problems)
  if (document === undefined) throw problems.toError()
  const parsed = validate(configSchema, document, problems)
  const data = document.data as Record<string, unknown> | null
  const named = typeof data?.['map'] === 'string' ? data['map'] : './cluster.yaml'
  const mapFile = resolve(folder, options.mapFile ?? named)

  const map = await loadMap(mapFile, env, problems)
  const routes = await checkRoutes(data, document, problems)
  const nodes = map?.parsed?.nodes.map((node) => node.id)
  checkClasses(data, { classes: routes.classes, nodes }, document, problems)
  const listens = checkListeners(data, document, problems)
  checkStore(data, document, problems)
  const keys = await resolveKeys(data, folder, document, problems)
  if (map !== undefined) {
    checkReach(data, document, map.checked, problems)
    if (map.checked.exposed !== undefined && keys.keys.length === 0 && !keys.keyFile) {
      problems.add(document, ['key'], exposedWords(map.checked.exposed))
    }
    const documents = new Map([
      [configFile, document],
      [mapFile, map.document],
    ])
    checkDoubles([...listens, ...map.checked.listens], documents, problems)
  }
  if (problems.count > 0 || parsed === undefined || map?.parsed === undefined) {
    throw problems.toError()
  }
  const { key: _key, keyFile: _keyFile, ...settings } = parsed
  return {
    ...settings,
    ...keys,
    file: configFile,
    mapFile,
    map: map.parsed,
    host: { ...parsed.host, freezeState: parsed.host.freezeState ?? env[DEV] === '1' },
    store: resolveStore(parsed.store, folder),
    accessLog: parsed.accessLog && {
      ...parsed.accessLog,
      file: parsed.accessLog.file === STDOUT ? STDOUT : resolve(folder, parsed.accessLog.file),
    },
    listeners: parsed.listeners.map((listener) => withFiles(listener, folder)),
    jobs: resolveJobs(parsed.jobs, folder),
    routes: [...routes.routes],
    tasks: routes.tasks,
    classes: resolveClasses(routes.classes, parsed.host, parsed.classes),
  }
}

/** With its files made absolute: certificates, the path of a Unix socket. */
function withFiles(listener: Listener, folder: string): Listener {
  const path = unixPath('http' in listener ? listener.http : listener.tcp)
  const name = path === undefined ? undefined : `${UNIX_PREFIX}${resolve(folder, path)}`
  if (!('http' in listener)) return name === undefined ? listener : { ...listener, tcp: name }
  const named = name === undefined ? listener : { ...listener, http: name }
  return named.tls ? { ...named, tls: withTlsFiles(named.tls, folder) } : named
}

function withTlsFiles(tls: TlsSettings, folder: string): TlsSettings {
  const certificates = tls.certificates.map(({ cert, key }) => ({
    cert: resolve(folder, cert),
    key: resolve(folder, key),
  }))
  return { ...tls, certificates }
}

type TlsSettings = NonNullable<Extract<Listener, { http: string }>['tls']>

function resolveJobs(jobs: Config['jobs'], folder: string): Config['jobs'] {
  const folders = jobs.folders.map((each) => resolve(folder, each))
  return { ...jobs, folders, output: resolve(folder, jobs.output) }
}

interface LoadedMap {
  readonly document: ConfigDocument
  readonly parsed: ClusterMap | undefined
  readonly checked: CheckedMap
}

async function loadMap(
  file: string,
  env: Environment,
  problems: Problems,
): Promise<LoadedMap | undefined> {
  const document = await read(file, env, problems)
  if (document === undefined) return undefined
  const parsed = validate(mapSchema, document, problems)
  return { document, parsed, checked: checkMap(document.data, document, problems) }
}

async function read(
  file: string,
  env: Environment,
  problems: Problems,
): Promise<ConfigDocument | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    problems.addAt(file, undefined, code === 'ENOENT' ? 'there is no such file' : message)
    return undefined
  }
  return ConfigDocument.parse(file, text, env, problems)
}

function checkListeners(data: unknown, document: ConfigDocument, problems: Problems): Listen[] {
  const listens: Listen[] = []
  for (const [path, value] of items(data, 'listeners')) {
    const listener = listenerSchema.safeParse(value).data
    if (listener === undefined) continue
    const scheme = 'http' in listener ? 'http' : 'tcp'
    const text = 'http' in listener ? listener.http : listener.tcp
    const isUnix = unixPath(text) !== undefined
    if (isUnix) checkUnixPath(text, [...path, scheme], document, problems)
    else if ('mode' in listener) problems.add(document, [...path, 'mode'], 'is for Unix sockets')
    if (!isUnix && parseAddress(text) === undefined) {
      const example = formatAddress('127.0.0.1', 8080)
      problems.add(document, [...path, scheme], `must be host:port, as in ${example}`)
    }
    if ('upstreams' in listener) {
      checkUpstreams(listener.upstreams, 'tcp', [...path, 'upstreams'], document, problems)
    }
    if ('sni' in listener) {
      for (const [i, { upstreams }] of listener.sni.entries()) {
        checkUpstreams(upstreams, 'tcp', [...path, 'sni', i, 'upstreams'], document, problems)
      }
    }
    listens.push(...listenerListens(listener, document.file, path))
  }
  return listens
}

/** The system takes 107 bytes, and the socket has a longer name until it listens. */
const UNIX_PATH_BYTES_MAX = 90

function checkUnixPath(
  text: string,
  at: KeyPath,
  document: ConfigDocument,
  problems: Problems,
): void {
  const path = resolve(dirname(document.file), unixPath(text)!)
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
    problems.add(document, at, `its path ${path} is longer than ${UNIX_PATH_BYTES_MAX} bytes`)
  }
}

function checkStore(
  data: Record<string, unknown> | null,
  document: ConfigDocument,
  problems: Problems,
): void {
  const store = data?.['store']
  const words = typeof store === 'string' ? storeProblem(store) : undefined
  if (words) problems.add(document, ['store'], words)
}

/** What is safe on one machine only must stay on it. */
function checkReach(
  data: Record<string, unknown> | null,
  document: ConfigDocument,
  map: CheckedMap,
  problems: Problems,
): void {
  const store = data?.['store'] ?? 'sqlite:'
  if (map.machines.length > 0 && typeof store === 'string' && sqliteFile(store) !== undefined) {
    problems.add(
      document,
      ['store'],
      `SQLite is a file of one machine, and the map has several (${map.machines.join(', ')}); use PostgreSQL: \`store: postgres://user:password@host/db\``,
    )
  }
}

function exposedWords(host: string): string {
  return `the map binds ${host}, which others can reach, and there is no key; set one (\`key: \${ARIES_CLUSTER_KEY}\`, made with \`openssl rand -base64 32\`) or keep to 127.0.0.1`
}
