import { RequestLine } from '../../src/placement/request-line.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import { type Random, randomInt, seededRandom } from '../../src/world.ts'
import type { Backend } from './backend.ts'
import type { Contender } from './contenders.ts'
import { capacity, Fleet, type Model, work } from './model.ts'
import type { Policy, PolicyInit } from './policy.ts'

export interface Scenario {
  readonly model: Model
  readonly fronts: number
  /** Offered load as a part of the capacity. */
  readonly load: number
  readonly warmUpMs: number
  readonly measuredMs: number
  readonly seed: number
  /** Requests not answered by then have failed. */
  readonly deadlineMs: number
  /** The first backend fails in 1 ms from then on; undefined: never. */
  readonly failsFromMs?: number
}

export interface Measured {
  /** Of each request that was offered while it was measured; a failed one has the deadline. */
  readonly latencies: number[]
  errors: number
  /** Requests sent to each backend while it was measured. */
  readonly sentTo: number[]
}

/** From a front to a backend, or back. */
const WIRE_MS = 0.2
const FAILS_AFTER_MS = 1
const QUEUE_MAX = 1_000
const LOOK_MS = 50

interface Asked {
  readonly cameMs: number
  readonly work: number
}

/** One run in virtual time; a function of its scenario and the policy. */
export function simulate(scenario: Scenario, contender: Contender): Measured {
  return new Simulation(scenario, contender).run()
}

interface SimFront {
  readonly policy: Policy
  readonly line: RequestLine<Asked>
}

class Simulation {
  readonly #scenario: Scenario
  readonly #tells: boolean
  readonly #clock = new VirtualClock()
  readonly #arrivals: Random
  readonly #fleet: Fleet
  readonly #fronts: SimFront[]
  readonly #measured: Measured
  readonly #endMs: number
  #open = 0

  constructor(scenario: Scenario, { make, tells }: Contender) {
    const { model, seed, deadlineMs } = scenario
    this.#scenario = scenario
    this.#tells = tells
    this.#arrivals = seededRandom(seed)
    this.#fleet = new Fleet({ clock: this.#clock, random: seededRandom(seed + 104_729) }, model)
    this.#endMs = scenario.warmUpMs + scenario.measuredMs
    const init: PolicyInit = {
      backends: model.backends,
      random: seededRandom(seed + 7_919),
      clock: this.#clock,
      truth: {
        speed: (backend) => this.#fleet.backends[backend]!.speed,
        threads: model.threads,
        offered: capacity(model) * scenario.load * model.workMs,
      },
      probe: (backend, answer) => this.#probe(this.#fleet.backends[backend]!, answer),
    }
    const limits = { queueMax: QUEUE_MAX, queueTimeoutMs: deadlineMs }
    this.#fronts = Array.from({ length: scenario.fronts }, () => ({
      policy: make(init),
      line: new RequestLine<Asked>(limits),
    }))
    const sentTo = this.#fleet.backends.map(() => 0)
    this.#measured = { latencies: [], errors: 0, sentTo }
  }

  run(): Measured {
    const { failsFromMs, deadlineMs } = this.#scenario
    if (failsFromMs !== undefined) {
      this.#clock.after(failsFromMs, () => {
        this.#fleet.backends[0]!.failsAfterMs = FAILS_AFTER_MS
      })
    }
    this.#clock.after(0, () => this.#arrive())
    this.#clock.after(LOOK_MS, () => this.#look())
    this.#clock.runUntil(this.#endMs + deadlineMs)
    this.#fleet.stop()
    for (; this.#open > 0; this.#open--) this.#miss()
    return this.#measured
  }

  #arrive(): void {
    const { model, load, fronts } = this.#scenario
    const asked = { cameMs: this.#clock.nowMs(), work: work(this.#arrivals, model.workMs) }
    const front = this.#fronts[randomInt(this.#arrivals, fronts)]!
    if (this.#counts(asked)) this.#open++
    if (!front.line.join(asked, asked.cameMs)) this.#end(asked, true)
    this.#advance(front)
    const gapMs = -Math.log(1 - this.#arrivals.next()) / (capacity(model) * load)
    if (asked.cameMs + gapMs < this.#endMs) this.#clock.after(gapMs, () => this.#arrive())
  }

  #advance(front: SimFront): void {
    for (;;) {
      const nowMs = this.#clock.nowMs()
      const asked = front.line.next(nowMs)
      if (asked === undefined) return
      const backend = front.policy.pick(nowMs)
      if (backend < 0) return
      front.line.leave(asked)
      this.#send(front, backend, asked)
    }
  }

  #send(front: SimFront, backend: number, asked: Asked): void {
    const { threads } = this.#scenario.model
    const server = this.#fleet.backends[backend]!
    const sentMs = this.#clock.nowMs()
    front.policy.sent(backend, sentMs)
    if (this.#counts(asked)) this.#measured.sentTo[backend]! += 1
    this.#clock.after(WIRE_MS, () => {
      server.serve(asked.work, (failed) => {
        const requests = this.#tells ? server.requests : -1
        this.#clock.after(WIRE_MS, () => {
          const nowMs = this.#clock.nowMs()
          front.policy.done(backend, { nowMs, sentMs, failed, requests, threads })
          this.#end(asked, failed)
          this.#advance(front)
        })
      })
    })
  }

  #look(): void {
    for (const front of this.#fronts) {
      for (const asked of front.line.expire(this.#clock.nowMs())) this.#end(asked, true)
      this.#advance(front)
    }
    this.#clock.after(LOOK_MS, () => this.#look())
  }

  #end(asked: Asked, failed: boolean): void {
    if (!this.#counts(asked)) return
    this.#open--
    const ms = this.#clock.nowMs() - asked.cameMs
    if (failed || ms > this.#scenario.deadlineMs) this.#miss()
    else this.#measured.latencies.push(ms)
  }

  #miss(): void {
    this.#measured.latencies.push(this.#scenario.deadlineMs)
    this.#measured.errors++
  }

  #counts({ cameMs }: Asked): boolean {
    return cameMs >= this.#scenario.warmUpMs && cameMs < this.#endMs
  }

  #probe(server: Backend, answer: (told: { requests: number; latencyMs: number }) => void): void {
    this.#clock.after(WIRE_MS, () => {
      const told = { requests: server.requests, latencyMs: server.latencyNow() }
      this.#clock.after(WIRE_MS, () => answer(told))
    })
  }
}
