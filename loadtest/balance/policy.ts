import type { Clock, Random } from '../../src/world.ts'

/** How a request ended, as its front sees it. */
export interface Outcome {
  readonly nowMs: number
  readonly sentMs: number
  readonly failed: boolean
  /** Requests at the backend as it answered, by its own word; -1: it says none. */
  readonly requests: number
  /** How many it serves at a time. */
  readonly threads: number
}

/** What a probe of Prequal answers: requests in flight, latency at about as many. */
export interface ProbeAnswer {
  readonly requests: number
  readonly latencyMs: number
}

/** What nobody outside a simulator can know. */
export interface Truth {
  /** Work that a thread of the backend does per millisecond now. */
  readonly speed: (backend: number) => number
  readonly threads: number
  /** Offered load, as requests per millisecond times the mean work of one. */
  readonly offered: number
}

export interface PolicyInit {
  readonly backends: number
  readonly random: Random
  readonly clock: Clock
  /** Only in the simulator. */
  readonly truth?: Truth
  readonly probe: (backend: number, answer: (answer: ProbeAnswer) => void) => void
}

/** Picks a backend for each request of one front. */
export interface Policy {
  /** A backend, or -1: the request should wait at the front until another one ends. */
  pick(nowMs: number): number
  /** The request goes to `backend`. */
  sent(backend: number, nowMs: number): void
  /** It has ended. */
  done(backend: number, outcome: Outcome): void
}

export type PolicyMaker = (init: PolicyInit) => Policy
