/** The model of the bench: what backends there are, what is asked of them, who disturbs them. */
import { type Clock, type Random, randomInt, type TimerHandle } from '../../src/world.ts'
import { Backend } from './backend.ts'

export interface Model {
  readonly backends: number
  readonly threads: number
  /** Speeds, given in turn: the fastest is three times the slowest. */
  readonly speeds: readonly number[]
  /** Mean work of a request, milliseconds at speed 1. */
  readonly workMs: number
  /** One backend of this many is slowed by an antagonist. */
  readonly perAntagonist: number
  /** Part of the speed that an antagonist leaves. */
  readonly share: number
  /** How long an antagonist stays at one backend. */
  readonly staysMs: number
}

export const MODEL = {
  threads: 4,
  speeds: [1, 2, 3, 2],
  workMs: 40,
  perAntagonist: 8,
  share: 0.4,
  staysMs: 1_000,
} as const

/** Mean of a normal variable with mean and deviation 1 that is drawn again while negative. */
const TRUNCATED_MEAN = 1.2876

/** Work of one request: normal with deviation = mean, never negative, as in Prequal's testbed. */
export function work(random: Random, meanMs: number): number {
  for (;;) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.next()))
    const normal = 1 + radius * Math.cos(2 * Math.PI * random.next())
    if (normal > 0) return (normal * meanMs) / TRUNCATED_MEAN
  }
}

/** Requests per millisecond that all backends serve together, with antagonists at their work. */
export function capacity(model: Model): number {
  const { backends, threads, speeds, workMs, perAntagonist, share } = model
  let speed = 0
  for (let i = 0; i < backends; i++) speed += speeds[i % speeds.length]!
  const hot = perAntagonist === 0 ? 0 : Math.floor(backends / perAntagonist) / backends
  return (threads * speed * (1 - hot * (1 - share))) / workMs
}

/** The backends, and the antagonists that move from one to another. */
export class Fleet {
  readonly backends: readonly Backend[]
  readonly #clock: Clock
  readonly #random: Random
  readonly #model: Model
  readonly #hot: number[] = []
  #timer: TimerHandle | undefined

  constructor(components: { clock: Clock; random: Random }, model: Model) {
    this.#clock = components.clock
    this.#random = components.random
    this.#model = model
    const { speeds, threads } = model
    this.backends = Array.from({ length: model.backends }, (_, i) => {
      const speed = speeds[i % speeds.length]!
      return new Backend(this.#clock, { threads, speed })
    })
    const hot = model.perAntagonist === 0 ? 0 : Math.floor(model.backends / model.perAntagonist)
    for (let i = 0; i < hot; i++) this.#place(i)
    if (hot > 0) this.#moveOn(0)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** One antagonist moves at a time, so that there is always one that has just come. */
  #moveOn(which: number): void {
    this.#timer = this.#clock.after(this.#model.staysMs / this.#hot.length, () => {
      this.backends[this.#hot[which]!]!.setShare(1)
      this.#place(which)
      this.#moveOn((which + 1) % this.#hot.length)
    })
  }

  #place(which: number): void {
    let at = randomInt(this.#random, this.backends.length)
    while (this.#hot.includes(at)) at = randomInt(this.#random, this.backends.length)
    this.#hot[which] = at
    this.backends[at]!.setShare(this.#model.share)
  }
}
