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
import { sendSignal } from './keeper.ts'
import { FRONT_METRICS } from './metric-table.ts'
import { Predecessor, type Replaced } from './predecessor.ts'
import { SPAN_METRICS } from './span-metrics.ts'
import { isSuccessor, Successor } from './successor.ts'
import { TRAFFIC_METRICS } from './traffic-metrics.ts'
import { UPSTREAM_METRICS, WEIGHT_METRICS } from './upstream-metrics.ts'

/** What is being answered at the admin port when another process is to have it. */
const ADMIN_GRACE_MS = 1_000
/** The reason to stop: there is nobody any more whose place this process could keep. */
const SUCCESSOR_GONE = 'successor-gone'

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
  let failure: string | undefined
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
  const successor = isSuccessor() ? new Successor(() => void stop('keeper-gone')) : undefined
  const inheritance = await successor?.inherit()
  if (inheritance) gossip.seed(inheritance.members)
  const tokens = new Tokens(dataTokens(config.keys))
  const peers = new Peers({ membership: gossip }, { tokens })
  const front = new Front({ log, world, membership: gossip }, { config, id, inheritance })
  const status = (): NodeStatusInfo => {
    const nodes = gossip.members().filter((m) => m.role === 'node' && m.state === 'alive')
    const notes = refusal ? [refusal] : []
    const restart = restartNote('front', id, config, current)
    if (restart) notes.push(restart)
    if (failure !== undefined) notes.push(failure)
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
  addTable(metrics, TRAFFIC_METRICS, () => front.traffic())
  addTable(metrics, UPSTREAM_METRICS, () => front.states.list())
  addTable(metrics, SPAN_METRICS, () => front.spans.counts)
  addTable(metrics, WEIGHT_METRICS, () => front.states.weights())
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
    requests: front.requests,
    metrics: () => metrics.text(),
    log: log.child({ component: 'admin' }),
    replace: () => replace('admin API'),
  })
  const ports = {
    open: async (): Promise<void> => {
      await admin.start(entry.host, entry.admin)
      await gossip.start()
    },
    close: async (): Promise<void> => {
      await admin.finish(ADMIN_GRACE_MS)
      await gossip.stop()
    },
  }
  let replaced: Replaced | undefined
  let replacing: Promise<unknown> = Promise.resolve()
  const end = async (code: number): Promise<void> => {
    await peers.close()
    finish(code)
  }
  const predecessor = new Predecessor(
    {
      log,
      front,
      ports,
      onLost: (code) => {
        void successor?.keeper.say({ type: 'ends', code })
        void stop(SUCCESSOR_GONE)
      },
      onReplaced: () => successor?.keeper.leave(),
    },
    { hasKeeper: successor !== undefined },
  )
  const replace = (reason: string): Promise<number> => {
    log.info({ reason }, 'a new process is started to take the place of this one')
    failure = undefined
    return new Promise((resolve, reject) => {
      const onServing = async (pid: number): Promise<void> => resolve(pid)
      const outcome = predecessor.replace(onServing)
      replacing = outcome.catch(() => {})
      outcome.then(retire, (error: AriesError) => {
        failure = error.message
        reject(error)
      })
    })
  }
  /** Lets the clients go to the new process; the one that has a keeper is then needed no more. */
  const retire = async (by: Replaced): Promise<void> => {
    replaced = by
    serving = false
    handover.stop()
    successor?.replaced()
    log.info({ by: by.pid }, 'front is replaced')
    void by.keeper?.ended.then(() => front.cut())
    await front.retire()
    log.info('the last connection of the replaced front is over')
    await end(by.keeper ? await by.keeper.ended : 0)
  }
  const onReplace = (): void => {
    if (replaced) replaced.keeper?.signal('SIGUSR2')
    else if (serving) replace('SIGUSR2').catch(() => {})
  }
  process.on('SIGUSR2', onReplace)

  try {
    if (successor) {
      await front.start()
      await successor.serving()
      await ports.open()
      await successor.complete()
    } else {
      await admin.start(entry.host, entry.admin)
      await front.start()
    }
  } catch (error) {
    process.off('SIGUSR2', onReplace)
    await admin.stop()
    await peers.close()
    throw error
  }
  serving = true
  log.info({ version: VERSION, admin: entry.admin }, 'front is up')

  async function stop(reason: string): Promise<void> {
    await replacing
    if (replaced) {
      log.info({ reason }, 'replaced front stops')
      // The keeper may not have heard yet whose turn it is: then the one before passes it on.
      if (replaced.keeper) replaced.keeper.signal('SIGTERM')
      else if (reason !== SUCCESSOR_GONE) sendSignal(replaced.pid, 'SIGTERM')
      await front.cut()
      return
    }
    if (!serving) return
    serving = false
    log.info({ reason }, 'front stops')
    process.off('SIGUSR2', onReplace)
    handover.stop()
    await front.stop()
    await admin.stop()
    await successor?.ends(0)
    await end(0)
  }
  const setConfig = async (changed: Config): Promise<void> => {
    if (replaced) return
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
