import { ClusterView } from '../admin/cluster-view.ts'
import { MEMBER_METRICS } from '../admin/member-metrics.ts'
import { addTable, Metrics } from '../admin/metrics.ts'
import { AdminServer } from '../admin/server.ts'
import { checkJoining } from '../config/joining.ts'
import type { Config } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { ThreadedGossip } from '../gossip/thread/threaded-gossip.ts'
import { KeyRing } from '../key-ring.ts'
import { RESTART, type Running, type RunOptions } from '../running.ts'
import { openStore } from '../store/open.ts'
import { VERSION } from '../version.ts'
import { realWorld, sleep } from '../world.ts'
import { NODE_METRICS } from './metrics.ts'
import { Node } from './node.ts'

/** Longest drain at a planned stop; what has not moved by then is claimed by the others. */
const STOP_DRAIN_MS = 20_000

/** Builds a node of the map, or one that joins, and starts it: its store, gossip, control loop and admin API. */
export async function runNode({ config, id, log, ...options }: RunOptions): Promise<Running> {
  const declared = config.map.nodes.find((node) => node.id === id)
  // One that was declared after it had joined need not be started otherwise.
  const joining = declared ? undefined : options.joining
  const entry = declared ?? joining
  if (!entry) {
    const known = config.map.nodes.map((node) => node.id).join(', ')
    throw new AriesError(
      'ARIES_E_CONFIG',
      `${config.mapFile}: nodes: there is no node "${id}" (it has ${known}); add it and raise the epoch, or start it with --join`,
    )
  }
  if (joining) checkJoining(config, joining)
  const world = realWorld
  let current = config
  const stopped = Promise.withResolvers<number | typeof RESTART>()

  const store = await openStore({ log: log.child({ component: 'store' }) }, config.store)
  const gossip = new ThreadedGossip(
    { log, world },
    {
      selfId: id,
      role: 'node',
      map: config.map,
      keys: config.keys,
      preset: config.gossip.preset,
      joining,
    },
  )
  const node = new Node(
    { store, gossip, log, world },
    { config, entry, joins: joining !== undefined, restart: () => void stop(RESTART, RESTART) },
  )
  const view = new ClusterView(
    { membership: gossip, peers: node.peers },
    { config: () => current, status: () => node.status() },
  )
  const keyRing = new KeyRing(
    {
      log: log.child({ component: 'keys' }),
      clock: world.clock,
      apply: (keys) => node.setKeys(keys),
      opened: () => gossip.openedByKey(),
    },
    { id, config },
  )
  const metrics = new Metrics({ role: 'node', id })
  addTable(metrics, NODE_METRICS, () => node.figures())
  addTable(metrics, MEMBER_METRICS, () => gossip)
  const admin = new AdminServer({
    view,
    keys: keyRing,
    metrics: () => metrics.text(),
    log: log.child({ component: 'admin' }),
  })
  try {
    await admin.start(entry.host, entry.admin)
  } catch (error) {
    await node.peers.close()
    await store.close()
    throw error
  }
  try {
    await node.start()
  } catch (error) {
    await admin.stop()
    throw error
  }
  log.info({ version: VERSION, data: entry.data, admin: entry.admin }, 'node is up')

  let stopping = false
  const stop = async (reason: string, end: number | typeof RESTART = 0): Promise<void> => {
    if (stopping) return
    stopping = true
    log.info({ reason }, 'node stops')
    // When all members stop there is nobody to move workers to.
    const drain = reason !== 'cluster-stops'
    if (drain) await Promise.race([node.drain(), sleep(world.clock, STOP_DRAIN_MS)])
    await node.stop()
    await admin.stop()
    stopped.resolve(end)
  }
  const setConfig = async (changed: Config): Promise<void> => {
    current = changed
    void keyRing.setConfig(changed)
    const isDeclared = changed.map.nodes.some((node) => node.id === id)
    const mayStay = isDeclared || (joining !== undefined && changed.map.join !== undefined)
    if (mayStay) node.setConfig(changed)
    else await stop('removed-from-map')
  }
  return {
    stop,
    setConfig,
    setRefusal: (note) => node.setRefusal(note),
    stopped: stopped.promise,
  }
}
