import { Worker } from 'node:worker_threads'
import type { ClusterMap, NodeEntry } from '../../config/schema.ts'
import { AriesError, fromBody } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { entryUrl } from '../../module-url.ts'
import type { TimerHandle, World } from '../../world.ts'
import { type GossipInit, nextBoot } from '../gossip.ts'
import { placeOf, placesOf } from '../member-table.ts'
import { HOST_PORTS_MAX } from '../packet.ts'
import { Picture } from '../picture.ts'
import type {
  GossipCounts,
  GossipDriver,
  JoinedNode,
  LoadVector,
  MapCensus,
  Member,
  MemberChange,
  MemberMeta,
} from '../types.ts'
import { type FromThread, sharedMs, type ThreadSetup, type ToThread } from './messages.ts'

const ENTRY = entryUrl('./entry.ts', import.meta.url)

/** The thread takes a main loop for blocked when it has not heard of it for some of these. */
export const BEAT_INTERVAL_MS = 250

/** How long what was known before the start is believed: a few rounds of gossip. */
const SEED_MS = 3_000

export type ThreadedInit = Omit<GossipInit, 'boot'>

/**
 * Gossip on a thread of its own, so that no work of the process delays an answer. Here is its end in
 * the process: it keeps the newest picture, and hands on what changes, in order, one loop turn later.
 */
export class ThreadedGossip implements GossipDriver {
  readonly selfId: string
  readonly #log: Logger
  readonly #world: World
  readonly #init: ThreadedInit
  readonly #picture: Picture
  readonly #listeners = new Set<(change: MemberChange) => void>()
  #map: ClusterMap
  #keys: readonly string[]
  #worker: Worker | undefined
  #starting: PromiseWithResolvers<void> | undefined
  #exited: Promise<void> = Promise.resolve()
  #ending = false
  #boot = 0
  #beat: TimerHandle | undefined
  #counts: GossipCounts = { sent: 0, received: 0, strange: 0, limited: 0, refused: 0 }
  #opened: ReadonlyMap<string, number> = new Map()
  #mapCensus: MapCensus = { holders: 1, others: [] }
  /** Members as the thread found them at its start, while what was told before still counts. */
  #unheard = new Map<string, Member>()
  #seeding: TimerHandle | undefined

  /** Throws `ARIES_E_CONFIG` when the map has no member `selfId` of that role. */
  constructor(components: { log: Logger; world: World }, init: ThreadedInit) {
    const { selfId, role, map, joining } = init
    const places = [...placesOf(map), ...(joining ? [placeOf(joining)] : [])]
    const isMember = places.some((place) => place.id === selfId && place.role === role)
    if (!isMember) throw new AriesError('ARIES_E_CONFIG', `the map has no ${role} "${selfId}"`)
    this.selfId = selfId
    this.#log = components.log
    this.#world = components.world
    this.#init = init
    this.#map = map
    this.#keys = init.keys
    this.#picture = new Picture({ selfId, places, nowMs: sharedMs })
  }

  /** The number of this life, once it has started. */
  get boot(): number {
    return this.#boot
  }

  get counts(): GossipCounts {
    return this.#counts
  }

  /**
   * What another process knew of the members, and knows to be so now. It counts until gossip has heard
   * of a member, but no longer than `SEED_MS` after the start.
   */
  seed(members: readonly Member[]): void {
    const nowMs = sharedMs()
    for (const member of members) {
      if (member.id !== this.selfId && this.#picture.get(member.id))
        this.#picture.take(member, nowMs)
    }
  }

  /**
   * Rejects with `ARIES_E_PORT_IN_USE` when the address of this member is taken. It can be started
   * again after a `stop`, and then begins with what it knew.
   */
  async start(): Promise<void> {
    this.#ending = false
    const { meta, load } = this.#picture
    const { selfId: id, role } = this.#init
    const boot = nextBoot(this.#world.clock)
    this.#boot = boot
    const setup: ThreadSetup = {
      gossip: { ...this.#init, map: this.#map, keys: this.#keys, boot },
      meta,
      load,
      log: { identity: { role, id }, level: this.#log.level },
    }
    const worker = new Worker(ENTRY, { workerData: setup, execArgv: [], name: 'gossip' })
    this.#worker = worker
    this.#starting = Promise.withResolvers<void>()
    this.#exited = new Promise((resolve) => worker.once('exit', () => resolve()))
    worker.on('message', (message: FromThread) => this.#hear(message))
    // A member that does not gossip is none: what ends the thread ends the process, as it would
    // have without a thread.
    worker.on('error', (error) => {
      this.#log.fatal({ err: error }, 'the gossip thread crashed')
      throw error
    })
    await this.#starting.promise
    this.#tick()
  }

  leave(): Promise<void> {
    return this.#end({ type: 'leave' })
  }

  stop(): Promise<void> {
    return this.#end({ type: 'stop' })
  }

  members(): readonly Member[] {
    return this.#picture.all()
  }

  member(id: string): Member | undefined {
    return this.#picture.get(id)
  }

  onChange(listener: (change: MemberChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setLoad(load: LoadVector): void {
    this.#picture.setLoad(load)
    this.#say({ type: 'load', load })
  }

  /** Throws a RangeError when there are more than 64 host ports. */
  setMeta(change: Partial<MemberMeta>): void {
    const meta = { ...this.#picture.meta, ...change }
    if (meta.hostPorts.length > HOST_PORTS_MAX) {
      throw new RangeError(`a member has at most ${HOST_PORTS_MAX} host ports`)
    }
    this.#picture.setMeta(meta)
    this.#say({ type: 'meta', meta: change })
  }

  setMap(map: ClusterMap, leaving: readonly NodeEntry[] = []): void {
    const { cluster } = this.#map
    if (map.cluster !== cluster) {
      throw new AriesError(
        'ARIES_E_CONFIG',
        `the map is of cluster "${map.cluster}", this member is of "${cluster}"`,
      )
    }
    this.#map = map
    this.#say({ type: 'map', map, leaving })
  }

  setKeys(keys: readonly string[]): void {
    this.#keys = keys
    this.#say({ type: 'keys', keys })
  }

  openedByKey(): ReadonlyMap<string, number> {
    return this.#opened
  }

  mapCensus(): MapCensus {
    return this.#mapCensus
  }

  reportRefused(id: string): void {
    this.#say({ type: 'refused', id })
  }

  join(node: JoinedNode): void {
    this.#say({ type: 'join', node })
  }

  #say(message: ToThread): void {
    this.#worker?.postMessage(message)
  }

  #tick(): void {
    this.#say({ type: 'beat' })
    this.#beat = this.#world.clock.after(BEAT_INTERVAL_MS, () => this.#tick())
  }

  async #end(message: ToThread): Promise<void> {
    if (!this.#ending) this.#say(message)
    this.#ending = true
    await this.#exited
    this.#beat?.cancel()
    this.#seeding?.cancel()
    this.#worker = undefined
  }

  #hear(message: FromThread): void {
    if (message.type === 'news') this.#news(message)
    else if (message.type === 'started') {
      this.#begin(message.members)
      this.#starting?.resolve()
    } else if (message.type === 'failed') {
      const error = new AriesError('ARIES_E_INTERNAL', 'gossip did not start')
      this.#starting?.reject(fromBody(message.error) ?? error)
    }
  }

  #begin(members: readonly Member[]): void {
    this.#unheard.clear()
    for (const member of members) {
      const isSeeded = member.id !== this.selfId && this.#picture.get(member.id)?.state === 'alive'
      if (isSeeded && member.state !== 'alive') this.#unheard.set(member.id, member)
      else this.#picture.take(member, sharedMs())
    }
    if (this.#unheard.size > 0) {
      this.#seeding = this.#world.clock.after(SEED_MS, () => this.#endSeed())
    }
  }

  /** Of whom nothing was heard: it is as the thread has it. */
  #endSeed(): void {
    for (const member of this.#unheard.values()) {
      this.#picture.take(member, sharedMs())
      this.#tell({ member, before: 'alive' })
    }
    this.#unheard.clear()
  }

  #news(news: Extract<FromThread, { type: 'news' }>): void {
    const { atMs } = news
    this.#counts = news.counts
    this.#opened = news.opened
    this.#mapCensus = news.mapCensus
    for (const load of news.loads)
      if (!this.#unheard.has(load.id)) this.#picture.takeLoad(load, atMs)
    for (const { member, before, isGone } of news.changes) {
      this.#unheard.delete(member.id)
      if (isGone) this.#picture.forget(member.id)
      else this.#picture.take(member, atMs)
      this.#tell({ member: this.#picture.corrected(member), before })
    }
  }

  #tell(change: MemberChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (error) {
        this.#log.error({ err: error, member: change.member.id }, 'a listener for members failed')
      }
    }
  }
}
