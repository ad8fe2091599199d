/**
 * How fast one core of this machine is, measured: 1 is a core of the reference machine (an AMD EPYC
 * of 2 cores under KVM, Node 24), on which a piece of the work below takes `REFERENCE_MS`.
 *
 * The work is a mixture of what servers do: hashing bytes, small objects and strings, a map. A piece
 * takes less than a millisecond, and the event loop goes on between two. The fastest piece counts:
 * whatever else the machine does can only slow one down. How busy the machine is must not be in the
 * figure, for the load has it already; so after the start it is measured anew only when the
 * node is at rest, and the best of an hour counts.
 */
import type { TimerHandle, World } from '../world.ts'

/** The fastest of many pieces on the reference machine. */
const REFERENCE_MS = 0.35
const PIECES = 100
const ROUNDS = 20_000
/** Speeds are kept within what a map may say. */
const SPEED_MIN = 0.1
const SPEED_MAX = 10
/** Told in such steps: two machines alike are to be alike. */
const STEP = 0.1
/** Measured at the start, some times soon after it, for that is a busy time, and then now and then. */
const SOON_MS = 5_000
const AT_START = 3
const AGAIN_MS = 600_000
/** Asked again whether the node is at rest. */
const BUSY_MS = 60_000
const KEPT = 6

export interface SpeedGaugeInit {
  /** What the map says; undefined: it is measured. */
  readonly given: number | undefined
  /** Whether the machine has so little to do that a measurement is not of its load. */
  readonly isAtRest: () => boolean
}

export class SpeedGauge {
  readonly #world: World
  readonly #init: SpeedGaugeInit
  readonly #changed: (speed: number) => void
  readonly #work: () => number
  readonly #measured: number[] = []
  #speed: number
  #timer: TimerHandle | undefined
  #stopped = false

  /** `work`: does a piece, and returns how long it took, in milliseconds. */
  constructor(
    components: { world: World; work?: () => number },
    init: SpeedGaugeInit,
    changed: (speed: number) => void,
  ) {
    this.#world = components.world
    this.#work = components.work ?? piece
    this.#init = init
    this.#changed = changed
    this.#speed = init.given ?? 1
  }

  /** Of one core; 1 before it is measured. */
  get speed(): number {
    return this.#speed
  }

  /** Begins to measure, unless the map says how fast it is. */
  start(): void {
    if (this.#init.given !== undefined) return
    void this.measure().then(() => this.#later(SOON_MS))
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Does the pieces, one in a turn of the event loop. */
  async measure(): Promise<void> {
    let best = Number.POSITIVE_INFINITY
    for (let i = 0; i < PIECES && !this.#stopped; i++) {
      best = Math.min(best, this.#work())
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (!this.#stopped) this.#take(REFERENCE_MS / Math.max(best, 1e-3))
  }

  #take(speed: number): void {
    this.#measured.push(Math.min(SPEED_MAX, Math.max(SPEED_MIN, speed)))
    if (this.#measured.length > KEPT) this.#measured.shift()
    const best = Math.max(...this.#measured)
    // Not to and fro for what lies between two steps.
    if (Math.abs(best - this.#speed) < 0.75 * STEP) return
    this.#speed = Math.round(best / STEP) / Math.round(1 / STEP)
    this.#changed(this.#speed)
  }

  #later(afterMs: number): void {
    if (this.#stopped) return
    this.#timer = this.#world.clock.after(afterMs, () => {
      const isStart = this.#measured.length < AT_START
      if (!isStart && !this.#init.isAtRest()) {
        this.#later(BUSY_MS)
        return
      }
      void this.measure().then(() => this.#later(isStart ? SOON_MS : AGAIN_MS))
    })
  }
}

/** The result, so that no compiler leaves the work out. */
let sum = 0

function piece(): number {
  const startedMs = performance.now()
  const bytes = new Uint8Array(256)
  const seen = new Map<string, { count: number }>()
  let hash = 0x811c9dc5
  for (let i = 0; i < ROUNDS; i++) {
    for (let at = 0; at < 8; at++) {
      hash = Math.imul(hash ^ bytes[(i + at) & 255]!, 0x01000193) >>> 0
    }
    bytes[i & 255] = hash
    if ((i & 3) !== 0) continue
    const name = `worker/${hash & 127}`
    const entry = seen.get(name)
    if (entry === undefined) seen.set(name, { count: 1 })
    else entry.count++
  }
  sum = (sum + hash + seen.size) % 1e9
  return performance.now() - startedMs
}
