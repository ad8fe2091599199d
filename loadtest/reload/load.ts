/** A steady load in an open loop: it does not slow down when the front does. */
import { setTimeout as sleep } from 'node:timers/promises'
import { emptyTally, RawClient, type Tally } from './raw-client.ts'

export interface LoadInit {
  readonly port: number
  /** Asked in turn. */
  readonly paths: readonly string[]
  /** Requests over kept connections, and connections made for one request, each second. */
  readonly requestsPerSecond: number
  readonly connectionsPerSecond: number
}

const TICK_MS = 5
/** Kept connections that are open at once at most; more requests than that are not under way. */
const KEPT_MAX = 1_000

export class Load {
  /** Over kept connections, and over those made for one request. */
  readonly kept: Tally = emptyTally()
  readonly fresh: Tally = emptyTally()
  readonly #init: LoadInit
  readonly #idle: RawClient[] = []
  readonly #open = new Set<RawClient>()
  readonly #timer: NodeJS.Timeout
  #lastMs = performance.now()
  #requestsDue = 0
  #connectionsDue = 0
  #turn = 0
  #sent = 0

  constructor(init: LoadInit) {
    this.#init = init
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** Sends nothing more, and waits for the answers that are due. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const untilMs = performance.now() + 5_000
    while (this.#answered < this.#sent && performance.now() < untilMs) await sleep(TICK_MS)
    this.kept.failed += this.#sent - this.#answered
    for (const client of this.#open) client.destroy()
  }

  get #answered(): number {
    let sum = 0
    for (const each of [this.kept, this.fresh]) {
      sum += each.ok + each.refused + each.reset + each.failed
    }
    return sum
  }

  #tick(): void {
    const nowMs = performance.now()
    const seconds = (nowMs - this.#lastMs) / 1_000
    this.#lastMs = nowMs
    this.#requestsDue += seconds * this.#init.requestsPerSecond
    this.#connectionsDue += seconds * this.#init.connectionsPerSecond
    for (; this.#requestsDue >= 1; this.#requestsDue--) this.#request()
    for (; this.#connectionsDue >= 1; this.#connectionsDue--) this.#connection()
  }

  #request(): void {
    let client = this.#idle.pop()
    while (client !== undefined && !client.isUsable) {
      this.#open.delete(client)
      client = this.#idle.pop()
    }
    if (client === undefined) {
      for (const each of this.#open) if (each.isOver) this.#open.delete(each)
      if (this.#open.size >= KEPT_MAX) return
      client = new RawClient(this.#init, this.kept, (idle) => this.#idle.push(idle))
      this.#open.add(client)
    }
    this.#sent++
    client.get(this.#path())
  }

  #connection(): void {
    this.#sent++
    new RawClient(this.#init, this.fresh, () => {}).get(this.#path(), true)
  }

  #path(): string {
    const { paths } = this.#init
    return paths[this.#turn++ % paths.length]!
  }
}
