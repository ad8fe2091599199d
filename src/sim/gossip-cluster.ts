import type { ClusterMap, NodeEntry } from '../config/schema.ts'
import { type Claim, NO_META } from '../gossip/claim.ts'
import { type Datagram, Endpoint, type Outcome } from '../gossip/endpoint.ts'
import type { GossipEvent } from '../gossip/events.ts'
import { placeOf } from '../gossip/member-table.ts'
import type { GossipTimes } from '../gossip/presets.ts'
import type { Capacity, LoadVector, MemberChange } from '../gossip/types.ts'
import { type Random, sample, type TimerHandle } from '../world.ts'
import type { Trace } from './trace.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { type LinkFaults, VirtualNetwork } from './virtual-network.ts'

/** One member of the simulated cluster; `endpoint` is there while its process runs. */
export interface SimMember {
  readonly id: string
  /** Its number in traces. */
  readonly number: number
  map: ClusterMap
  /** Of a node that the map does not have. */
  readonly joining: NodeEntry | undefined
  /** Its wall clock minus the true one. */
  wallOffsetMs: number
  endpoint: Endpoint | undefined
  timer: TimerHandle | undefined
  timerAtMs: number
  paused: boolean
  leaving: boolean
  /** Its machine is up, and refuses connections while the process is not there. */
  refuses: boolean
}

/** What is on its way: a datagram, or the same over TCP. */
export interface Wire {
  readonly bytes: Buffer
  readonly stream: boolean
}

export interface ClusterInit {
  readonly map: ClusterMap
  readonly keys: readonly string[]
  readonly times: GossipTimes
  readonly faults: LinkFaults
  /** What a member measures, now and then; none: it never does. */
  readonly loads?: { readonly everyMs: number; readonly at: (nowMs: number) => LoadVector }
}

interface Parts {
  readonly clock: VirtualClock
  readonly random: Random
  readonly trace: Trace
  /** Called after every event that a member took in. */
  readonly observe: (member: SimMember, changes: readonly MemberChange[]) => void
}

/** Probe intervals between two tries to join. */
const JOIN_AGAIN = 20
/** Of IP and UDP, around each datagram. */
const PACKET_BYTES = 28

/** Real gossip endpoints on a virtual network, with processes that can crash, pause and restart. */
export class GossipCluster {
  readonly network: VirtualNetwork<Wire>
  readonly members = new Map<string, SimMember>()
  /** What all sent by datagram, as it is on the wire. */
  readonly stats = { datagrams: 0, bytes: 0 }
  readonly #parts: Parts
  readonly #init: ClusterInit
  #numbered = 0

  constructor(components: Parts, init: ClusterInit) {
    this.#parts = components
    this.#init = init
    this.network = new VirtualNetwork<Wire>(components, { faults: init.faults })
    for (const id of memberIds(init.map)) this.add(id, init.map)
  }

  /** A member that does not run yet; `joining`: the map does not have it. */
  add(id: string, map: ClusterMap, joining?: NodeEntry): SimMember {
    const wallOffsetMs = Math.floor((this.#parts.random.next() - 0.5) * 10_000)
    const member: SimMember = {
      id,
      number: ++this.#numbered,
      map,
      joining,
      wallOffsetMs,
      endpoint: undefined,
      timer: undefined,
      timerAtMs: Number.POSITIVE_INFINITY,
      paused: false,
      leaving: false,
      refuses: false,
    }
    this.members.set(id, member)
    return member
  }

  running(): SimMember[] {
    return [...this.members.values()].filter(({ endpoint }) => endpoint !== undefined)
  }

  /**
   * `known`: what it knows of all from before, itself included. Nothing happens when it runs
   * already, or is no member any more.
   */
  start(member: SimMember, known: readonly Claim[] = []): void {
    if (member.endpoint || this.members.get(member.id) !== member) return
    const { clock, random } = this.#parts
    const { keys, times } = this.#init
    const nowMs = clock.nowMs()
    const boot = clock.wallMs() + member.wallOffsetMs
    const { id: selfId, map } = member
    member.leaving = false
    member.paused = false
    const joining = member.joining && placeOf(member.joining)
    const about = { selfId, map, keys, times, boot, nowMs, known, joining }
    member.endpoint = new Endpoint({ random }, about)
    this.#parts.trace.add(`${nowMs.toFixed(3)} ${selfId} starts ${boot}`)
    this.network.attach(selfId, (from, wire) => this.#receive(member, from, wire))
    const claim = known.find(({ id }) => id === selfId)
    if (claim) this.handle(member, { type: 'meta', meta: claim.meta })
    this.handle(member, { type: 'start' })
    this.#measure(member, member.endpoint)
    if (member.joining) this.#join(member, member.joining, member.endpoint)
  }

  /** Asks a node of the map to let it in, again and again while it hears of none. */
  #join(member: SimMember, node: NodeEntry, endpoint: Endpoint): void {
    if (member.endpoint !== endpoint) return
    const { clock, random } = this.#parts
    const { boot } = endpoint.core.claimOf(member.id)!
    const declared = member.map.nodes.map(({ id }) => id)
    const isKnown = declared.some((id) => {
      const state = endpoint.core.member(id, clock.nowMs())?.state
      return state === 'alive' || state === 'suspect'
    })
    const running = declared.flatMap((id) => {
      const seed = this.members.get(id)
      return seed?.endpoint && !seed.paused && !seed.leaving ? [seed] : []
    })
    const [seed] = sample(random, running, 1)
    if (seed && !isKnown && !member.paused && !member.leaving) {
      this.handle(seed, { type: 'join', node: { ...node, boot } })
    }
    const againMs = JOIN_AGAIN * this.#init.times.probeIntervalMs
    clock.after(againMs, () => this.#join(member, node, endpoint))
  }

  /** Starts all of them as if they had been up for long: everybody knows everybody. */
  startWarm(capacity: Capacity): void {
    const meta = { ...NO_META, capacity }
    const about = { state: 'alive', version: 2, meta, accusers: [] } as const
    const wallMs = this.#parts.clock.wallMs()
    const known = Array.from(this.members.values(), ({ id, wallOffsetMs }): Claim => {
      return { id, boot: wallMs + wallOffsetMs, ...about }
    })
    for (const member of this.members.values()) this.start(member, known)
  }

  remove(member: SimMember): void {
    if (member.endpoint) this.crash(member)
    this.members.delete(member.id)
  }

  /**
   * Its process is gone: nothing is said, everything it knew is lost. `refuses`: its machine is
   * still there, so that connections are refused.
   */
  crash(member: SimMember, { refuses = false } = {}): void {
    member.refuses = refuses
    this.#parts.trace.add(`${this.#parts.clock.nowMs().toFixed(3)} ${member.id} ends`)
    member.endpoint = undefined
    member.timer?.cancel()
    member.timer = undefined
    member.timerAtMs = Number.POSITIVE_INFINITY
    this.network.detach(member.id)
  }

  pause(member: SimMember): void {
    member.paused = true
    this.network.pause(member.id)
  }

  /** Timers that are due fire before what has arrived is read, as in an event loop. */
  resume(member: SimMember): void {
    if (!member.paused) return
    member.paused = false
    if (member.timer === undefined) this.handle(member, { type: 'tick' })
    this.network.resume(member.id)
  }

  setMap(member: SimMember, map: ClusterMap): void {
    member.map = map
    const { endpoint } = member
    if (endpoint) this.#apply(member, endpoint.setMap(map, this.#parts.clock.nowMs()))
  }

  handle(member: SimMember, event: GossipEvent): void {
    const { endpoint } = member
    if (endpoint) this.#apply(member, endpoint.handle(event, this.#parts.clock.nowMs()))
  }

  #measure(member: SimMember, endpoint: Endpoint): void {
    const { loads } = this.#init
    if (!loads || member.endpoint !== endpoint) return
    const { clock } = this.#parts
    if (!member.paused) this.handle(member, { type: 'load', load: loads.at(clock.nowMs()) })
    clock.after(loads.everyMs, () => this.#measure(member, endpoint))
  }

  #receive(member: SimMember, from: string, { bytes, stream }: Wire): void {
    const nowMs = this.#parts.clock.nowMs()
    this.#parts.trace.note(nowMs, member.number, bytes.length)
    const outcome = member.endpoint?.receive(bytes, from, nowMs, stream)
    if (outcome) this.#apply(member, outcome, stream ? from : undefined)
  }

  /** `asker`: who asked over TCP, and is answered there. */
  #apply(member: SimMember, outcome: Outcome, asker?: string): void {
    const { clock, trace } = this.#parts
    for (const datagram of outcome.datagrams) this.#send(member, datagram, asker)
    for (const { member: seen, before } of outcome.changes) {
      const standing = `${seen.state} ${seen.boot} ${seen.version}`
      trace.add(`${clock.nowMs().toFixed(3)} ${member.id}: ${seen.id} ${before}>${standing}`)
    }
    this.#parts.observe(member, outcome.changes)
    this.#planTick(member)
  }

  #send(member: SimMember, wire: Datagram, asker: string | undefined): void {
    const { endpoint } = member
    const to = wire.to.id
    if (!wire.stream) {
      this.stats.datagrams++
      this.stats.bytes += wire.bytes.length + PACKET_BYTES
      this.network.send(member.id, to, wire)
    } else if (to === asker) this.network.reply(member.id, to, wire)
    else if (!this.network.exchange(member.id, to, wire) && this.members.get(to)?.refuses) {
      this.#parts.clock.after(1, () => {
        if (member.endpoint === endpoint && !member.paused)
          this.handle(member, { type: 'refused', id: to })
      })
    }
  }

  #planTick(member: SimMember): void {
    const { endpoint } = member
    if (!endpoint) return
    const { clock } = this.#parts
    const atMs = endpoint.core.nextDeadlineMs()
    // One that fires too early only plans the next.
    if (atMs >= member.timerAtMs || atMs === Number.POSITIVE_INFINITY) return
    member.timer?.cancel()
    member.timerAtMs = atMs
    member.timer = clock.after(atMs - clock.nowMs(), () => {
      member.timer = undefined
      member.timerAtMs = Number.POSITIVE_INFINITY
      if (member.paused) return
      if (endpoint.core.nextDeadlineMs() > clock.nowMs()) this.#planTick(member)
      else this.handle(member, { type: 'tick' })
    })
  }
}

export function memberIds(map: ClusterMap): string[] {
  return [...map.nodes, ...map.fronts].map(({ id }) => id)
}
