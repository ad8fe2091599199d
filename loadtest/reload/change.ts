/** The changes of a front that must not be felt: its configuration is replaced, or its process. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import type { NodeStatusInfo } from '../../src/rpc.ts'
import { until } from '../../test/helpers/until.ts'

/** For a machine that is busy with the load. */
const TIMEOUT_MS = 60_000

/** A front, alone or of a cluster. */
export interface Changed {
  readonly configFile: string
  readonly url: string
  /** `GET` at its admin port. */
  get(path: string): Promise<unknown>
  post(path: string): Promise<{ status: number; body: unknown }>
}

interface Written {
  routes: Record<string, unknown>[]
  front?: Record<string, unknown>
}

/**
 * Writes the configuration with the number `n`, with routes and a limit that differ from those of the
 * number before, and waits until the front serves by it.
 */
export async function reload(cluster: Changed, n: number): Promise<void> {
  const { configFile, url } = cluster
  const config = parse(readFileSync(configFile, 'utf8')) as Written
  const routes = config.routes.filter(({ path }) => !String(path).startsWith('/generation'))
  routes.unshift({ path: '/generation', respond: { body: String(n) } })
  if (n % 2 === 0) routes.unshift({ path: '/generation/even', redirect: '/generation' })
  config.routes = routes
  config.front = { ...config.front, connectionsMax: 10_000 + (n % 3) }
  writeFileSync(`${configFile}.new`, stringify(config))
  renameSync(`${configFile}.new`, configFile)
  await until(
    `the front serves by configuration ${n}`,
    async () => {
      const response = await fetch(`${url}/generation`, { headers: { connection: 'close' } })
      return (await response.text()) === String(n)
    },
    TIMEOUT_MS,
  )
}

/** Has a new process take the place of the front; resolves with its id when that has every port. */
export async function replace(cluster: Changed): Promise<number> {
  const { status, body } = await cluster.post('/api/fronts/f1/restart')
  if (status !== 200) throw new Error(`not replaced: ${JSON.stringify(body)}`)
  const { pid } = body as { pid: number }
  await until(
    `process ${pid} has the admin port and serves`,
    async () => {
      const self = await statusOf(cluster)
      return self?.pid === pid && !self.notes.includes('not serving')
    },
    TIMEOUT_MS,
  )
  return pid
}

/** What the front says of itself. */
export async function statusOf(front: Pick<Changed, 'get'>): Promise<NodeStatusInfo | undefined> {
  const statuses = (await front.get('/api/status')) as readonly NodeStatusInfo[]
  return statuses.find(({ id }) => id === 'f1')
}
