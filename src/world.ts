/**
 * The one seam through which time and chance reach the cores (`gossip/`, `placement/`, `move/`).
 *
 * A core is `(state, event) → effects`; an event carries `nowMs`, effects name timers and sends,
 * and a `Random` is handed in. The drivers beside the cores use `realWorld`; the simulator uses a
 * virtual clock and a seeded generator, so that a run is a function of its seed.
 */

/** Chance. Never used for secrets. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
}

export interface TimerHandle {
  cancel(): void
}

export interface Clock {
  /** Monotonic milliseconds; comparable only within one process. */
  nowMs(): number
  /** Wall-clock milliseconds since 1970: for people and for boot numbers, never for ordering. */
  wallMs(): number
  /** Calls `fire` once after `delayMs`; does not keep the process alive. */
  after(delayMs: number, fire: () => void): TimerHandle
}

export interface World {
  readonly clock: Clock
  readonly random: Random
}

/** Resolves after `ms`; does not keep the process alive. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}

const realClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

export const realWorld: World = { clock: realClock, random: { next: () => Math.random() } }

/** sfc32, seeded by splitmix32: small, fast, passes PractRand; the simulator's generator. */
export function seededRandom(seed: number): Random {
  let s = seed >>> 0
  const mix = (): number => {
    s = (s + 0x9e3779b9) >>> 0
    let z = s
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let a = mix()
  let b = mix()
  let c = mix()
  let d = 1
  return {
    next() {
      const t = (((a + b) >>> 0) + d) >>> 0
      d = (d + 1) >>> 0
      a = b ^ (b >>> 9)
      b = (c + (c << 3)) >>> 0
      c = ((c << 21) | (c >>> 11)) >>> 0
      c = (c + t) >>> 0
      return t / 4294967296
    },
  }
}

/** A whole number in [0, below). */
export function randomInt(random: Random, below: number): number {
  return Math.floor(random.next() * below)
}

/**
 * Up to `count` distinct items of `pool` that `accept` takes, in random order. Changes the order of
 * `pool`, and looks at no more of it than it has to.
 */
export function draw<T>(
  random: Random,
  pool: T[],
  count: number,
  accept: (item: T) => boolean,
): T[] {
  const drawn: T[] = []
  for (let i = 0; i < pool.length && drawn.length < count; i++) {
    const j = i + randomInt(random, pool.length - i)
    const picked = pool[j]!
    pool[j] = pool[i]!
    pool[i] = picked
    if (accept(picked)) drawn.push(picked)
  }
  return drawn
}

/** `count` distinct items of `items` in random order (all of them when there are fewer). */
export function sample<T>(random: Random, items: readonly T[], count: number): T[] {
  const pool = [...items]
  const take = Math.min(count, pool.length)
  for (let i = 0; i < take; i++) {
    const j = i + randomInt(random, pool.length - i)
    const picked = pool[j]!
    pool[j] = pool[i]!
    pool[i] = picked
  }
  return pool.slice(0, take)
}
