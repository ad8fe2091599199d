/** What `aries dev` prints when everything is ready: what runs where, what to try, where to look. */
import { type Address, formatAddress, isWildcard, parseAddress } from '../../config/address.ts'
import { formatFile } from '../../config/problems.ts'
import { describeRoutes } from '../../config/routes.ts'
import type { Config } from '../../config/schema.ts'
import { bold, table } from '../table.ts'

export interface BannerInit {
  readonly config: Config
  readonly pids: ReadonlyMap<string, number | undefined>
  /** Those that were started. */
  readonly upstreams: readonly Address[]
  /** Those whose servers were there already. */
  readonly taken: readonly Address[]
  readonly logFolder: string
  readonly readyMs: number
}

export function bannerText(init: BannerInit): string {
  const { config, logFolder, readyMs } = init
  const url = listenerUrl(config)
  const admin = config.map.fronts[0] ?? config.map.nodes[0]!
  const flag = formatAddress(admin.host, admin.admin)
  const option = flag === '127.0.0.1:7300' ? '' : ` --admin ${flag}`
  return [
    `cluster ${config.map.cluster} serves${url ? ` at ${url}` : ''}, ready after ${(readyMs / 1000).toFixed(1)} s`,
    '',
    membersTable(init),
    ...takenLine(init.taken),
    '',
    bold('TRY'),
    ...(url ? [triesTable(config, url)] : []),
    '',
    bold('LOOK'),
    `  npx aries status${option}`,
    `  npx aries ps${option}`,
    `  logs in ${formatFile(logFolder)}; Ctrl-C ends everything`,
    '  a changed module of a task or a worker is deployed when it is saved',
  ].join('\n')
}

function membersTable({ config, pids, upstreams }: BannerInit): string {
  const { map, listeners } = config
  const clients = listeners.map((each) => ('http' in each ? each.http : each.tcp)).join(' ')
  const pid = (id: string): string => String(pids.get(id) ?? '-')
  const rows = [
    ...map.fronts.map(({ id, host, admin }) => [
      id,
      'front',
      pid(id),
      `clients ${clients}, admin ${formatAddress(host, admin)}`,
    ]),
    ...map.nodes.map(({ id, host, data, admin }) => [
      id,
      'node',
      pid(id),
      `data ${formatAddress(host, data)}, admin ${formatAddress(host, admin)}`,
    ]),
    ...upstreams.map(({ host, port }) => [
      upstreamId({ host, port }),
      'upstream',
      pid(upstreamId({ host, port })),
      `http ${formatAddress(host, port)}`,
    ]),
  ]
  const titles = ['ID', 'ROLE', 'PID', 'ADDRESSES']
  return table(
    titles.map((title) => ({ title })),
    rows,
  )
}

function takenLine(taken: readonly Address[]): string[] {
  if (taken.length === 0) return []
  const addresses = taken.map(({ host, port }) => formatAddress(host, port)).join(', ')
  return ['', `no demo upstream at ${addresses}: the server that listens there is used`]
}

/** The name of a demo upstream among the children, and of its log. */
export function upstreamId(address: Address): string {
  return `legacy-${address.port}`
}

/** Undefined when no listener takes HTTP. */
export function listenerUrl(config: Config): string | undefined {
  for (const listener of config.listeners) {
    const address = 'http' in listener ? parseAddress(listener.http) : undefined
    if (address === undefined) continue
    const host = isWildcard(address.host) ? '127.0.0.1' : address.host
    return `http://${formatAddress(host, address.port)}`
  }
  return undefined
}

/** What the modules that ship want to be asked. */
const QUERIES: Readonly<Record<string, string>> = { primes: '?limit=1000000' }
const METHODS: Readonly<Record<string, string>> = { counter: '-X POST ' }

function triesTable(config: Config, url: string): string {
  const rows = describeRoutes(config).map(({ path, kind, targets }) => {
    const name = kind === 'upstreams' ? '' : (targets[0] ?? '')
    const sample = path.replace(/:[^/]+/g, 'a').replace(/\*$/, '')
    const asked = `${url}${sample}${QUERIES[name] ?? ''}`
    const quoted = asked.includes('?') ? `'${asked}'` : asked
    return [`  ${path}`, `curl ${METHODS[name] ?? ''}${quoted}`]
  })
  return table([{ title: '' }, { title: '' }], rows)
}
