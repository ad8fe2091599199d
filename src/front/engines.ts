import type { Socket } from 'node:net'
import type { ConfigFile } from '../config/schema.ts'
import type { Logger } from '../log.ts'
import { Http1Engine } from './http1/engine.ts'
import type { EngineHooks, EngineStats } from './http1/stats.ts'
import type { ShardStats } from './metrics.ts'
import type { Planner } from './plan.ts'
import type { Recorder } from './recorder.ts'

export interface EnginesComponents {
  readonly planner: Planner
  readonly log: Logger
  readonly hooks: EngineHooks
  readonly recorder: Recorder
}

/** Counters of engines that have ended. */
interface Ended {
  retries: number
  connectionsTotal: number
  bytesIn: number
  bytesOut: number
}

/**
 * The engine in force, and those before it. Limits are an engine's for life: when they change, new
 * connections get a new engine, and the old one stays until its last connection is over.
 */
export class Engines {
  readonly #components: EnginesComponents
  readonly #front: string
  #limits: ConfigFile['front']
  #current: Http1Engine
  #retired: Http1Engine[] = []
  readonly #ended: Ended = { retries: 0, connectionsTotal: 0, bytesIn: 0, bytesOut: 0 }

  /** `init.front`: id of the front. */
  constructor(
    components: EnginesComponents,
    init: { readonly front: string },
    limits: ConfigFile['front'],
  ) {
    this.#components = components
    this.#front = init.front
    this.#limits = limits
    this.#current = this.#engine()
  }

  /** `priorKnowledge`: as of `Http1Engine.accept`. */
  accept(socket: Socket, priorKnowledge: boolean, listener: string): void {
    this.#current.accept(socket, priorKnowledge, listener)
  }

  /** Who came to it over HTTP/2 is asked to come anew. */
  listenerGone(listener: string): void {
    for (const engine of [this.#current, ...this.#retired]) engine.listenerGone(listener)
  }

  /** Gossip found the target dead. */
  targetDown(id: string): void {
    for (const engine of [this.#current, ...this.#retired]) engine.targetDown(id)
  }

  setLimits(limits: ConfigFile['front']): void {
    if (JSON.stringify(limits) === JSON.stringify(this.#limits)) return
    this.#limits = limits
    this.#retired.push(this.#current)
    this.#current = this.#engine()
  }

  /** Ends retired engines that serve nobody any more. Call now and then. */
  sweep(): void {
    const idle = this.#retired.filter((engine) => clientsOf(engine.stats()) === 0)
    if (idle.length === 0) return
    this.#retired = this.#retired.filter((engine) => !idle.includes(engine))
    for (const engine of idle) {
      addCounters(this.#ended, engine.stats())
      void engine.close(0)
    }
  }

  /** Writes the figures of all engines into `stats`. */
  report(stats: ShardStats): void {
    Object.assign(stats, this.#ended, { connections: 0, inFlight: 0 })
    for (const engine of [this.#current, ...this.#retired]) {
      const one = engine.stats()
      addCounters(stats, one)
      stats.connections += clientsOf(one)
      stats.inFlight += one.exchangesActive
    }
  }

  #engine(): Http1Engine {
    return new Http1Engine(this.#components, { ...this.#limits, front: this.#front })
  }

  async close(graceMs: number, gently = false): Promise<void> {
    const engines = [this.#current, ...this.#retired]
    await Promise.all(engines.map((engine) => engine.close(graceMs, gently)))
  }
}

function clientsOf(stats: EngineStats): number {
  return stats.connectionsOpen + stats.tunnelsOpen
}

function addCounters(into: Ended, from: EngineStats): void {
  into.retries += from.retries
  into.connectionsTotal += from.connectionsTotal
  into.bytesIn += from.bytesIn
  into.bytesOut += from.bytesOut
}
