import type { Clock, Random } from '../world.ts'

/** What can happen to one message. Probabilities are in [0, 1]. */
export interface LinkFaults {
  readonly loss: number
  readonly duplicate: number
  readonly delayMsMin: number
  readonly delayMsMax: number
  /** Part of the messages that take up to `lateMs` longer, so that later ones overtake them. */
  readonly late: number
  readonly lateMs: number
}

export const PERFECT_LINK: LinkFaults = {
  loss: 0,
  duplicate: 0,
  delayMsMin: 0.1,
  delayMsMax: 0.5,
  late: 0,
  lateMs: 0,
}

interface Endpoint<P> {
  receive: (from: string, message: P) => void
  paused: boolean
  /** What arrived during a pause, as in the buffer of a socket. */
  readonly buffer: { from: string; message: P }[]
}

/** Most messages that wait for a paused endpoint; the rest is lost. */
const BUFFER_MAX = 1_000

/**
 * A network between named endpoints on a virtual clock. Messages are lost, late, doubled and
 * overtaken as `faults` says; with `ordered` none of that but delay, as on one TCP connection.
 * A message reaches the endpoint that is attached under the name when it arrives.
 */
export class VirtualNetwork<P> {
  faults: LinkFaults
  readonly stats = { sent: 0, delivered: 0, lost: 0, doubled: 0 }
  readonly #clock: Clock
  readonly #random: Random
  readonly #ordered: boolean
  readonly #endpoints = new Map<string, Endpoint<P>>()
  /** By receiver, from whom nothing comes through. */
  readonly #blocked = new Map<string, Set<string>>()
  readonly #losing = new Map<string, number>()
  readonly #arrivals = new Map<string, number>()

  constructor(
    components: { clock: Clock; random: Random },
    init: { faults: LinkFaults; ordered?: boolean },
  ) {
    this.#clock = components.clock
    this.#random = components.random
    this.faults = init.faults
    this.#ordered = init.ordered ?? false
  }

  attach(name: string, receive: (from: string, message: P) => void): void {
    this.#endpoints.set(name, { receive, paused: false, buffer: [] })
  }

  detach(name: string): void {
    this.#endpoints.delete(name)
  }

  /** Holds what arrives at `name` until `resume`. */
  pause(name: string): void {
    const endpoint = this.#endpoints.get(name)
    if (endpoint) endpoint.paused = true
  }

  resume(name: string): void {
    const endpoint = this.#endpoints.get(name)
    if (!endpoint) return
    endpoint.paused = false
    for (const { from, message } of endpoint.buffer.splice(0)) endpoint.receive(from, message)
  }

  /** Loses this part of what the member sends, whatever else is lost. */
  loseFrom(name: string, part: number): void {
    this.#losing.set(name, part)
  }

  /** On the connection that a message of `exchange` came by. */
  reply(from: string, to: string, message: P): void {
    this.stats.sent++
    this.#deliver(from, to, message, this.#delayMs())
  }

  #lossOf(from: string): number {
    return 1 - (1 - this.faults.loss) * (1 - (this.#losing.get(from) ?? 0))
  }

  /** Cuts one direction. */
  block(from: string, to: string): void {
    const blocked = this.#blocked.get(to)
    if (blocked) blocked.add(from)
    else this.#blocked.set(to, new Set([from]))
  }

  unblock(from: string, to: string): void {
    this.#blocked.get(to)?.delete(from)
  }

  /** Cuts both directions between every two names of different groups. */
  partition(groups: readonly (readonly string[])[]): void {
    for (const a of groups) {
      for (const b of groups) {
        if (a === b) continue
        for (const from of a) for (const to of b) this.block(from, to)
      }
    }
  }

  /** Ends every cut. */
  heal(): void {
    this.#blocked.clear()
  }

  send(from: string, to: string, message: P): void {
    this.stats.sent++
    const { faults } = this
    if (this.#ordered) {
      this.#deliverInOrder(from, to, message)
      return
    }
    if (this.#random.next() < this.#lossOf(from)) {
      this.stats.lost++
      return
    }
    this.#deliver(from, to, message, this.#delayMs())
    if (this.#random.next() < faults.duplicate) {
      this.stats.doubled++
      this.#deliver(from, to, message, this.#delayMs())
    }
  }

  /**
   * A message on a connection of its own, within the time of a probe: both directions have to work,
   * and nothing that is lost comes again in time. False when `to` is there and nobody listens.
   */
  exchange(from: string, to: string, message: P): boolean {
    this.stats.sent++
    const cut = this.#isBlocked(from, to) || this.#isBlocked(to, from)
    const passes = (this.#lossOf(from) - 1) ** 2 * (this.#lossOf(to) - 1) ** 2
    if (cut || this.#random.next() >= passes) {
      this.stats.lost++
      return true
    }
    if (!this.#endpoints.has(to)) return false
    this.#deliver(from, to, message, 3 * this.#delayMs())
    return true
  }

  #isBlocked(from: string, to: string): boolean {
    return this.#blocked.get(to)?.has(from) ?? false
  }

  #delayMs(): number {
    const { delayMsMin, delayMsMax, late, lateMs } = this.faults
    const extraMs = this.#random.next() < late ? this.#random.next() * lateMs : 0
    return delayMsMin + this.#random.next() * (delayMsMax - delayMsMin) + extraMs
  }

  #deliverInOrder(from: string, to: string, message: P): void {
    const link = `${from}>${to}`
    const nowMs = this.#clock.nowMs()
    const atMs = Math.max(nowMs + this.#delayMs(), this.#arrivals.get(link) ?? 0)
    this.#arrivals.set(link, atMs)
    this.#deliver(from, to, message, atMs - nowMs)
  }

  #deliver(from: string, to: string, message: P, delayMs: number): void {
    this.#clock.after(delayMs, () => {
      const endpoint = this.#endpoints.get(to)
      if (!endpoint || this.#isBlocked(from, to)) {
        this.stats.lost++
      } else if (endpoint.paused) {
        if (endpoint.buffer.length < BUFFER_MAX) endpoint.buffer.push({ from, message })
        else this.stats.lost++
      } else {
        this.stats.delivered++
        endpoint.receive(from, message)
      }
    })
  }
}
