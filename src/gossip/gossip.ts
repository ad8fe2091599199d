import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIP, isIPv6 } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { ClusterMap, NodeEntry } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Clock, TimerHandle, World } from '../world.ts'
import { AddressBook } from './address-book.ts'
import { type Datagram, Endpoint, type Outcome } from './endpoint.ts'
import type { GossipEvent } from './events.ts'
import { readHeader } from './header.ts'
import { type Place, placeOf, placesOf } from './member-table.ts'
import { PRESETS, type PresetName } from './presets.ts'
import { RateLimit } from './rate-limit.ts'
import { Streams } from './streams.ts'
import type {
  GossipDriver,
  JoinedNode,
  LoadVector,
  MapCensus,
  Member,
  MemberChange,
  MemberMeta,
  MemberRole,
} from './types.ts'

export interface GossipInit {
  readonly selfId: string
  readonly role: MemberRole
  readonly map: ClusterMap
  /** The first seals, all open; none: datagrams are neither authenticated nor encrypted. */
  readonly keys: readonly string[]
  readonly preset: PresetName
  /** The entry of this node when the map does not have it: it is to join. */
  readonly joining?: NodeEntry | undefined
  /** The number of this life of the member; default `nextBoot`. */
  readonly boot?: number
}

/** Between two look-ups of the host names of the map. */
const LOOKUP_INTERVAL_MS = 60_000
/** A burst of a whole cluster fits into the socket while the loop is busy. */
const RECEIVE_BUFFER_BYTES = 1_048_576

/** Between two warnings that datagrams of members cannot be used. */
const REFUSED_WARNING_MS = 60_000

/**
 * What one member may have opened: more than any member sends, and little enough that whoever
 * borrows its address takes only a part of a core.
 */
const RATE = { perSecond: 1_000, burst: 2_000 }

type Reply = (bytes: Buffer) => void

let lastBoot = 0

/** The wall clock; a second start within a millisecond is another life all the same. */
export function nextBoot(clock: Clock): number {
  lastBoot = Math.max(lastBoot + 1, clock.wallMs())
  return lastBoot
}

/** Gossip over UDP: the driver of the core. It holds the socket, the one timer, the listeners. */
export class Gossip implements GossipDriver {
  readonly selfId: string
  readonly counts = { sent: 0, received: 0, strange: 0, limited: 0, refused: 0 }
  readonly #log: Logger
  readonly #world: World
  readonly #place: Place
  #declared: readonly Place[]
  readonly #cluster: string
  readonly #endpoint: Endpoint
  readonly #addresses: AddressBook
  readonly #rate = new RateLimit(RATE)
  readonly #streams: Streams
  readonly #leaveMs: number
  readonly #listeners = new Set<(change: MemberChange) => void>()
  #socket: Socket | undefined
  #isSilent = false
  #warnedMs = Number.NEGATIVE_INFINITY
  #timer: TimerHandle | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #lookupTimer: TimerHandle | undefined

  /** Throws `ARIES_E_CONFIG` when the map has no member `selfId` of that role. */
  constructor(components: { log: Logger; world: World }, init: GossipInit) {
    const { selfId, map, keys } = init
    const { clock, random } = components.world
    const joining = init.joining && placeOf(init.joining)
    const places = [...placesOf(map), ...(joining ? [joining] : [])]
    const place = places.find(({ id, role }) => id === selfId && role === init.role)
    if (!place) throw new AriesError('ARIES_E_CONFIG', `the map has no ${init.role} "${selfId}"`)
    const times = PRESETS[init.preset]
    const boot = init.boot ?? nextBoot(clock)
    this.selfId = selfId
    this.#log = components.log
    this.#streams = new Streams(components.world, {
      mayAsk: (address) => {
        const isKnown = this.#addresses.has(address)
        if (!isKnown) this.counts.strange++
        return isKnown
      },
      onFrame: (bytes, address, reply) => this.#receiveStream(bytes, address, reply),
      onAnswer: (bytes, member) => this.#open(bytes, member, { stream: true }),
      onRefused: (member) => this.reportRefused(member),
    })
    this.#world = components.world
    this.#place = place
    this.#declared = placesOf(map)
    this.#cluster = map.cluster
    this.#leaveMs = times.leaveMs
    this.#addresses = new AddressBook({ family: isIPv6(place.host) ? 6 : 4 })
    this.#addresses.set(places)
    const nowMs = clock.nowMs()
    const about = { selfId, map, keys, times, boot, nowMs, joining }
    this.#endpoint = new Endpoint({ random }, about)
  }

  /** Rejects with `ARIES_E_PORT_IN_USE` when the address of this member is taken. */
  async start(): Promise<void> {
    await this.#addresses.lookUp()
    const { host, gossipPort } = this.#place
    await this.#listening('TCP', () => this.#streams.listen(host, gossipPort))
    this.#socket = await this.#listening('UDP', () => this.#bind())
    this.#socket.on('message', (bytes, from) => this.#receive(bytes, from))
    this.#socket.on('error', (error) => this.#log.warn({ err: error }, 'gossip socket'))
    this.#planLookup()
    this.#handle({ type: 'start' })
  }

  async leave(): Promise<void> {
    if (!this.#socket) return
    this.#handle({ type: 'leave' })
    await setTimeout(this.#leaveMs)
    await this.stop()
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#lookupTimer?.cancel()
    const socket = this.#socket
    this.#socket = undefined
    await this.#streams.close()
    if (!socket) return
    const closed = once(socket, 'close')
    socket.close()
    await closed
  }

  members(): readonly Member[] {
    return this.#endpoint.core.members(this.#world.clock.nowMs())
  }

  member(id: string): Member | undefined {
    return this.#endpoint.core.member(id, this.#world.clock.nowMs())
  }

  onChange(listener: (change: MemberChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setLoad(load: LoadVector): void {
    this.#handle({ type: 'load', load })
  }

  /** Throws a RangeError when there are more than 64 host ports. */
  setMeta(meta: Partial<MemberMeta>): void {
    this.#handle({ type: 'meta', meta })
  }

  setMap(map: ClusterMap, leaving: readonly NodeEntry[] = []): void {
    if (map.cluster !== this.#cluster) {
      throw new AriesError(
        'ARIES_E_CONFIG',
        `the map is of cluster "${map.cluster}", this member is of "${this.#cluster}"`,
      )
    }
    this.#declared = placesOf({ ...map, nodes: [...map.nodes, ...leaving] })
    this.#reach()
    this.#apply(this.#endpoint.setMap(map, this.#world.clock.nowMs(), leaving))
    this.#reach()
    this.#lookUp()
  }

  join(node: JoinedNode): void {
    this.#handle({ type: 'join', node })
  }

  setKeys(keys: readonly string[]): void {
    this.#endpoint.setKeys(keys)
  }

  openedByKey(): ReadonlyMap<string, number> {
    return this.#endpoint.openedByKey
  }

  mapCensus(): MapCensus {
    return this.#endpoint.core.mapCensus()
  }

  reportRefused(id: string): void {
    this.#handle({ type: 'refused', id })
  }

  /** Neither hears nor says anything, as if the process had stopped. */
  setSilent(isSilent: boolean): void {
    this.#isSilent = isSilent
    if (!isSilent) this.#handle({ type: 'tick' })
  }

  async #bind(): Promise<Socket> {
    const { host, gossipPort } = this.#place
    const type = isIPv6(host) ? 'udp6' : 'udp4'
    const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER_BYTES })
    socket.bind(gossipPort, host)
    try {
      await once(socket, 'listening')
    } catch (cause) {
      socket.close()
      throw cause
    }
    return socket
  }

  async #listening<T>(by: 'TCP' | 'UDP', listen: () => Promise<T>): Promise<T> {
    try {
      return await listen()
    } catch (cause) {
      await this.#streams.close()
      const { host, gossipPort } = this.#place
      const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
      throw new AriesError(
        taken ? 'ARIES_E_PORT_IN_USE' : 'ARIES_E_CONFIG',
        `gossip cannot listen at ${host}:${gossipPort} (${by}): ${(cause as Error).message}`,
        { cause },
      )
    }
  }

  /** Takes the addresses of all that are reached: of the map, and of those that joined. */
  #reach(): void {
    const joined = this.#endpoint.core.joined.filter(({ host }) => isIP(host) !== 0)
    const places = [...joined, ...this.#declared]
    const stays = places.some(({ id }) => id === this.selfId)
    const reached = stays ? places : [...places, this.#place]
    this.#addresses.set(reached)
    this.#rate.keep(new Set(reached.map(({ id }) => id)))
  }

  #planLookup(): void {
    this.#lookupTimer = this.#world.clock.after(LOOKUP_INTERVAL_MS, () => {
      this.#lookUp()
      this.#planLookup()
    })
  }

  #lookUp(): void {
    this.#addresses.lookUp().catch((error: unknown) => {
      this.#log.warn({ err: error }, 'gossip cannot look up the hosts of the map')
    })
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    if (this.#isSilent) return
    this.counts.received++
    // Nothing is answered to an address that the map does not have.
    const id = this.#addresses.idAt(from.address, from.port)
    const nowMs = this.#world.clock.nowMs()
    if (id === undefined) this.counts.strange++
    else if (!this.#rate.take(id, nowMs)) this.counts.limited++
    else this.#open(bytes, id)
  }

  #receiveStream(bytes: Buffer, address: string, reply: (bytes: Buffer) => void): void {
    if (this.#isSilent) return
    const id = readHeader(bytes)?.header.from
    const nowMs = this.#world.clock.nowMs()
    if (id === undefined || !this.#addresses.isAt(id, address)) this.counts.strange++
    else if (!this.#rate.take(id, nowMs)) this.counts.limited++
    else this.#open(bytes, id, { stream: true, reply })
  }

  #open(bytes: Buffer, id: string, by: { stream?: boolean; reply?: Reply } = {}): void {
    const outcome = this.#endpoint.receive(bytes, id, this.#world.clock.nowMs(), by.stream)
    if (outcome) {
      this.#apply(outcome, by.reply && { id, reply: by.reply })
      return
    }
    this.counts.refused++
    this.#warnOfRefused(id)
  }

  #warnOfRefused(member: string): void {
    const nowMs = this.#world.clock.nowMs()
    if (nowMs - this.#warnedMs < REFUSED_WARNING_MS) return
    this.#warnedMs = nowMs
    this.#log.warn(
      { member },
      'datagrams from the address of a member cannot be used: does it have another key or cluster?',
    )
  }

  #handle(event: GossipEvent): void {
    this.#apply(this.#endpoint.handle(event, this.#world.clock.nowMs()))
  }

  /** `asker`: who asked over TCP, and is answered there. */
  #apply(outcome: Outcome, asker?: { id: string; reply: Reply }): void {
    if (outcome.placed) this.#reach()
    for (const datagram of outcome.datagrams) {
      if (datagram.stream && datagram.to.id === asker?.id) asker.reply(datagram.bytes)
      else this.#send(datagram)
    }
    this.#planTick()
    for (const change of outcome.changes) this.#tell(change)
  }

  #send({ to, bytes, stream }: Datagram): void {
    const address = this.#addresses.addressOf(to.id)
    if (address === undefined || !this.#socket || this.#isSilent) return
    if (stream) {
      this.#streams.ask(to.id, address, to.gossipPort, bytes)
      return
    }
    this.counts.sent++
    this.#socket.send(bytes, to.gossipPort, address, ignore)
  }

  #planTick(): void {
    const atMs = this.#endpoint.core.nextDeadlineMs()
    // A timer that fires too early only plans the next; that is cheaper than to plan at each event.
    if (!this.#socket || atMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = this.#world.clock.after(Math.max(0, atMs - this.#world.clock.nowMs()), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      if (!this.#isSilent) this.#handle({ type: 'tick' })
    })
  }

  #tell(change: MemberChange): void {
    const { id, state } = change.member
    if (state !== change.before)
      this.#log.info({ member: id, state, before: change.before }, 'member')
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (error) {
        this.#log.error({ err: error, member: id }, 'a listener for members failed')
      }
    }
  }
}

/** A datagram that could not be sent is one that was lost: the probes see to it. */
function ignore(): void {}
