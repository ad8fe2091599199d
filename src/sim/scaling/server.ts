import type { LoadVector } from '../../gossip/types.ts'
import { ToldLoad } from '../../placement/told-load.ts'

/** As a node counts them: `REQUESTS_PER_CORE` of the load meter. */
const REQUESTS_PER_CORE = 32
const MEMORY_BYTES = 1e9

export interface ServerInit {
  readonly cores: number
  /** Workers share one event loop: one request at a time, whatever the cores. */
  readonly loop: boolean
}

/** A node that serves requests in the order of arrival, some at a time, and measures its load. */
export class Server {
  workers = 0
  /** Requests served or waiting. */
  requests = 0
  readonly threads: number
  readonly #init: ServerInit
  readonly #waiting: (() => void)[] = []
  readonly #load = new ToldLoad()
  #first = 0
  #busyMs = 0
  #changedMs = 0
  #measuredMs = 0
  #own: LoadVector | undefined

  constructor(init: ServerInit) {
    this.#init = init
    this.threads = init.loop ? 1 : init.cores
  }

  get isFull(): boolean {
    return this.requests >= this.#init.cores * REQUESTS_PER_CORE
  }

  /** `serve` is called when the request's turn comes; `done` has to be called when it is over. */
  arrive(nowMs: number, serve: () => void): void {
    this.#pass(nowMs)
    this.requests++
    if (this.requests <= this.threads) serve()
    else this.#waiting.push(serve)
  }

  done(nowMs: number): void {
    this.#pass(nowMs)
    this.requests--
    if (this.#first === this.#waiting.length) return
    const next = this.#waiting[this.#first++]!
    if (this.#first > 1_000 && this.#first * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    next()
  }

  /** The load that it tells now; takes a sample. */
  tell(nowMs: number): LoadVector {
    this.#pass(nowMs)
    const elapsedMs = Math.max(1, nowMs - this.#measuredMs)
    const cpu = this.#busyMs / elapsedMs
    this.#busyMs = 0
    this.#measuredMs = nowMs
    const now = {
      cpu,
      loop: this.#init.loop ? cpu : 0,
      requests: this.requests,
      ioBytesPerSecond: 0,
    }
    const { told, own } = this.#load.sample(now, elapsedMs)
    this.#own = this.#vector(own)
    return this.#vector(told)
  }

  /** The load that it reckons with itself. */
  get own(): LoadVector {
    return this.#own ?? this.tell(this.#measuredMs)
  }

  /** A worker comes, and uses that much of a core. */
  arrived(cpu: number): void {
    this.workers++
    this.#load.arrived(cpu)
  }

  #pass(nowMs: number): void {
    this.#busyMs += (nowMs - this.#changedMs) * Math.min(this.requests, this.threads)
    this.#changedMs = nowMs
  }

  #vector(
    measured: Pick<LoadVector, 'cpu' | 'loop' | 'requests' | 'ioBytesPerSecond'>,
  ): LoadVector {
    const { cores } = this.#init
    return {
      ...measured,
      cpuCapacity: cores,
      memoryBytes: 0.2 * MEMORY_BYTES,
      memoryBytesMax: MEMORY_BYTES,
      requestsMax: cores * REQUESTS_PER_CORE,
      connections: 0,
      connectionsMax: 20_000,
      workers: this.workers,
      classes: [],
      lagMs: 0,
    }
  }
}
