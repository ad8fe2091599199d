import { ClusterView } from '../admin/cluster-view.ts'
import { MEMBER_METRICS } from '../admin/member-metrics.ts'
import { addTable, Metrics } from '../admin/metrics.ts'
import { AdminServer } from '../admin/server.ts'
import { dataTokens, Tokens } from '../auth.ts'
import { otherMapNote } from '../config/map.ts'
import { restartNote } from '../config/restart.ts'
import type { Config } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { ThreadedGossip } from '../gossip/thread/threaded-gossip.ts'
import { KeyRing } from '../key-ring.ts'
import { MapHandover } from '../map-handover.ts'
import { Peers } from '../peers.ts'
import type { NodeStatusInfo } from '../rpc.ts'
import type { Running, RunOptions } from '../running.ts'
import { VERSION } from '../version.ts'
import { realWorld } from '../world.ts'
import { Front } from './front.ts'
import { FRONT_METRICS } from './metric-table.ts'
import { UPSTREAM_METRICS } from './upstream-metrics.ts'

/** Builds a front of the map and starts it: gossip, shards and admin API. */
export async function runFront({ config, id, log }: RunOptions): Promise<Running> {
  const entry = config.map.fronts.find((front) => front.id === id)
  if (!entry) {
    const known = config.map.fronts.map((front) => front.id).join(', ') || 'none'
    throw new AriesError(
      'ARIES_E_CONFIG',
      `${config.mapFile}: fronts: there is no front "${id}" (it has ${known}); add it and raise the epoch`,
    )
  }
  const world = realWorld
  const startedMs = world.clock.nowMs()
  let current = config
  let refusal: string | undefined
  let serving = false
  let finish: (code: number) => void = () => {}
  const stopped = new Promise<number>((resolve) => {
    finish = resolve
  })

  const gossip = new ThreadedGossip(
    { log, world },
    {
      selfId: id,
      role: 'front',
      map: config.map,
      keys: config.keys,
      preset: config.gossip.preset,
    },
  )
  const tokens = new Tokens(dataTokens(config.keys))
  const peers = new Peers({ membership: gossip }, { tokens })
  const front = new Front({ log, world, membership: gossip }, { config, id })
  const status = (): NodeStatusInfo => {
    const nodes = gossip.members().filter((m) => m.role === 'node' && m.state === 'alive')
    const notes = refusal ? [refusal] : []
    const restart = restartNote('front', id, config, current)
    if (restart) notes.push(restart)
    if (!serving) notes.push('not serving')
    if (nodes.length === 0) notes.push('no node is alive')
    const { others } = gossip.mapCensus()
    if (others.length > 0) notes.push(otherMapNote(others, current.map))
    notes.push(...front.states.notes())
    return {
      id,
      role: 'front',
      version: VERSION,
      pid: process.pid,
      uptimeMs: Math.round(world.clock.nowMs() - startedMs),
      ready: serving && nodes.length > 0,
      notes,
      mapEpoch: current.map.epoch,
      processes: [],
    }
  }
  const handover = new MapHandover({ gossip, world }, { map: config.map })
  const metrics = new Metrics({ role: 'front', id })
  addTable(metrics, FRONT_METRICS, () => front.stats())
  addTable(metrics, UPSTREAM_METRICS, () => front.states.list())
  addTable(metrics, MEMBER_METRICS, () => gossip)
  const view = new ClusterView({ membership: gossip, peers }, { config: () => current, status })
  const keyRing = new KeyRing(
    {
      log: log.child({ component: 'keys' }),
      clock: world.clock,
      apply: async (keys) => {
        gossip.setKeys(keys)
        tokens.set(dataTokens(keys))
        await front.setConfig(current)
      },
      opened: () => gossip.openedByKey(),
    },
    { id, config },
  )
  const admin = new AdminServer({
    view,
    keys: keyRing,
    upstreams: front.states,
    metrics: () => metrics.text(),
    log: log.child({ component: 'admin' }),
  })
  await admin.start(entry.host, entry.admin)
  try {
    await front.start()
  } catch (error) {
    await admin.stop()
    await peers.close()
    throw error
  }
  serving = true
  log.info({ version: VERSION, admin: entry.admin }, 'front is up')

  const stop = async (reason: string): Promise<void> => {
    if (!serving) return
    serving = false
    log.info({ reason }, 'front stops')
    handover.stop()
    await front.stop()
    await admin.stop()
    await peers.close()
    finish(0)
  }
  const setConfig = async (changed: Config): Promise<void> => {
    current = changed
    if (!changed.map.fronts.some((declared) => declared.id === id)) {
      await stop('removed-from-map')
      return
    }
    handover.set(changed.map)
    await front.setConfig(changed)
    await keyRing.setConfig(changed)
  }
  return {
    stop,
    setConfig,
    setRefusal: (note) => {
      refusal = note
    },
    stopped,
  }
}
