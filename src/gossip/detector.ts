import { type Random, randomInt } from '../world.ts'
import type { Awareness } from './awareness.ts'
import type { Entry, MemberTable } from './member-table.ts'
import type { Members } from './members.ts'
import type { Answer, Probe } from './packet.ts'
import type { GossipTimes } from './presets.ts'
import { type Flight, Prober } from './probe.ts'
import type { Reach } from './reach.ts'
import { Relay } from './relay.ts'

export interface Saying {
  readonly probe?: Probe
  readonly answer?: Answer
  /** Over TCP, to where no datagram may get through. */
  readonly stream?: boolean
}

/** Says `probe` or `answer` to a member. */
export type Say = (to: Entry, nowMs: number, what: Saying) => void

interface Parts {
  readonly random: Random
  readonly table: MemberTable
  readonly members: Members
  readonly awareness: Awareness
  readonly reach: Reach
  readonly say: Say
}

/**
 * Who was heard within this part of the interval need not be asked whether it is there. In small
 * clusters that saves half of the datagrams, and the probes go where they tell something.
 */
const HEARD_PART = 0.9

/**
 * Finds members that do not answer: SWIM's direct and indirect probes, both sides of them, and a
 * direct one over TCP beside the indirect ones.
 */
export class Detector {
  readonly #parts: Parts
  readonly #times: GossipTimes
  readonly #prober: Prober
  readonly #relay: Relay
  #seq: number

  constructor(components: Parts, init: { times: GossipTimes }) {
    this.#parts = components
    this.#times = init.times
    this.#prober = new Prober(components, init)
    this.#relay = new Relay(init)
    this.#seq = randomInt(components.random, 2 ** 31)
  }

  start(nowMs: number): void {
    this.#prober.nextRoundMs = nowMs + this.#parts.random.next() * this.#times.probeIntervalMs
  }

  /** `id` is there again: it takes its place in the order of probes. */
  insert(id: string): void {
    this.#prober.insert(id)
  }

  /** Forgets the probes under way: after a pause of our own their silence says nothing. */
  reset(): void {
    this.#prober.reset()
  }

  nextDeadlineMs(): number {
    return Math.min(this.#prober.nextDeadlineMs(), this.#relay.nextDeadlineMs())
  }

  tick(nowMs: number): void {
    const { table, members, say } = this.#parts
    for (const flight of this.#prober.dueToAsk(nowMs)) this.#ask(flight, nowMs)
    for (const flight of this.#prober.failed(nowMs)) {
      const entry = table.get(flight.target)
      if (entry?.boot === flight.boot) members.accuse(entry, nowMs)
    }
    for (const errand of this.#relay.nacks(nowMs)) {
      const asker = table.get(errand.from)
      if (asker) say(asker, nowMs, { answer: { type: 'nack', seq: errand.fromSeq } })
    }
    if (this.#prober.nextRoundMs <= nowMs) this.#round(nowMs)
  }

  /** One ping outside of the rounds: no verdict follows from its silence. */
  greet(entry: Entry, nowMs: number): void {
    this.#parts.say(entry, nowMs, { probe: this.#ping(this.#nextSeq(), entry) })
    this.knock(entry, nowMs)
  }

  /** The same over TCP: a refusal is proof that nobody is there. */
  knock(entry: Entry, nowMs: number): void {
    this.#parts.say(entry, nowMs, { probe: this.#ping(this.#nextSeq(), entry), stream: true })
  }

  answered(answer: Answer, entry: Entry, boot: number, nowMs: number): void {
    const { id } = entry.place
    if (answer.type === 'nack') {
      this.#prober.nack(answer.seq, id)
      return
    }
    if (this.#prober.ack(answer.seq, id, boot)) return
    const errand = this.#relay.ack(answer.seq, id)
    const asker = errand && this.#parts.table.get(errand.from)
    if (asker) this.#parts.say(asker, nowMs, { answer: { type: 'ack', seq: errand.fromSeq } })
  }

  /** `stream`: asked over TCP, and answered there. */
  probed(probe: Probe, entry: Entry, stream: boolean, nowMs: number): void {
    const { table, members, say } = this.#parts
    if (probe.type === 'ping') {
      say(entry, nowMs, { answer: { type: 'ack', seq: probe.seq }, stream })
      return
    }
    const target = table.get(probe.target)
    if (!target || target === members.self || target === entry) return
    const seq = this.#nextSeq()
    if (!this.#relay.begin(seq, entry.place.id, probe.seq, probe.target, nowMs)) return
    say(target, nowMs, { probe: this.#ping(seq, target) })
  }

  #round(nowMs: number): void {
    const { table, members, reach, say } = this.#parts
    const heardMs = nowMs - HEARD_PART * this.#times.probeIntervalMs
    // Who may be unheard itself learns nothing from hearing.
    const silent = members.present().filter((entry) => reach.isolated || entry.heardMs <= heardMs)
    const ids = silent.map(({ place }) => place.id)
    for (const id of this.#prober.round(ids, nowMs)) {
      const entry = table.get(id)!
      const seq = this.#nextSeq()
      this.#prober.begin(seq, id, entry.boot, nowMs)
      say(entry, nowMs, { probe: this.#ping(seq, entry) })
    }
  }

  #ask(flight: Flight, nowMs: number): void {
    const { random, table, members, say } = this.#parts
    const helpers = members.draw(
      random,
      this.#times.helpers,
      ({ state, place }) => state === 'alive' && place.id !== flight.target,
    )
    this.#prober.asked(
      flight,
      helpers.map(({ place }) => place.id),
    )
    const probe: Probe = { type: 'ask', seq: flight.seq, target: flight.target }
    for (const helper of helpers) say(helper, nowMs, { probe })
    const target = table.get(flight.target)
    if (target) say(target, nowMs, { probe: this.#ping(flight.seq, target), stream: true })
  }

  #ping(seq: number, entry: Entry): Probe {
    return { type: 'ping', seq, target: entry.place.id }
  }

  #nextSeq(): number {
    this.#seq = (this.#seq + 1) % 2 ** 32
    return this.#seq
  }
}
