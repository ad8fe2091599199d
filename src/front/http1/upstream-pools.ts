import type { Duplex } from 'node:stream'
import { AriesError, toAriesError } from '../../errors.ts'
import { type Deadlines, NEVER, type Timed } from '../../http1/deadlines.ts'
import { UpstreamSessions } from '../http2/upstream-sessions.ts'
import type { Target } from '../plan.ts'
import { TARGET_CONNECTIONS_MAX } from './limits.ts'
import type { EngineStats } from './stats.ts'
import { UpstreamConnection, type UpstreamHome } from './upstream-connection.ts'
import type { UpstreamLink } from './upstream-link.ts'
import { connectUpstream } from './upstream-socket.ts'

/** Who wants a connection. Exactly one of the two is called, unless it cancels. */
export interface PoolWaiter {
  /** Undefined: the pools' own. */
  readonly connectTimeoutMs?: number
  /** It wants to switch protocols, which HTTP/2 cannot. */
  readonly upgrade?: boolean
  connected(link: UpstreamLink): void
  connectFailed(error: AriesError): void
}

export interface UpstreamPoolsComponents {
  readonly deadlines: Deadlines
  readonly stats: EngineStats
}

export interface UpstreamPoolsInit {
  readonly connectTimeoutMs: number
  readonly connectionsMax?: number
}

/** The connections to all targets, by `Target.poolKey`. */
export class UpstreamPools {
  readonly components: UpstreamPoolsComponents
  readonly connectTimeoutMs: number
  readonly connectionsMax: number
  readonly #pools = new Map<string, UpstreamPool>()
  /** With targets that speak HTTP/2. */
  readonly #sessions: UpstreamSessions
  closing = false

  constructor(components: UpstreamPoolsComponents, init: UpstreamPoolsInit) {
    this.components = components
    this.connectTimeoutMs = init.connectTimeoutMs
    this.#sessions = new UpstreamSessions(components, init)
    this.connectionsMax = init.connectionsMax ?? TARGET_CONNECTIONS_MAX
  }

  /**
   * Gives `waiter` a connection to `target`, at once when one is idle. `fresh`: not a pooled one.
   */
  acquire(target: Target, waiter: PoolWaiter, fresh: boolean): void {
    if (target.http2 !== undefined && waiter.upgrade !== true) {
      this.#sessions.acquire(target, waiter)
      return
    }
    let pool = this.#pools.get(target.poolKey)
    if (pool === undefined) {
      pool = new UpstreamPool(this, target.poolKey)
      this.#pools.set(target.poolKey, pool)
    }
    pool.acquire(target, waiter, fresh)
  }

  /** `waiter` has gone; nothing is called any more. */
  cancel(target: Target, waiter: PoolWaiter): void {
    this.#pools.get(target.poolKey)?.cancel(waiter)
    this.#sessions.cancel(target, waiter)
  }

  /** Gossip found the target dead: whoever waits for a connection to it, or may repeat, goes on. */
  targetDown(id: string): void {
    for (const pool of this.#pools.values()) pool.targetDown(id)
    this.#sessions.targetDown(id)
  }

  remove(poolKey: string): void {
    this.#pools.delete(poolKey)
  }

  /** Closes what is idle, and from now on what becomes so. */
  close(): void {
    this.closing = true
    for (const pool of this.#pools.values()) pool.closeIdle()
    this.#sessions.close()
  }

  /** Cuts what is still open, an answer that is being discarded for instance. */
  destroy(): void {
    for (const pool of this.#pools.values()) pool.destroy()
    this.#sessions.destroy()
  }
}

interface Waiting {
  readonly waiter: PoolWaiter
  readonly target: Target
  readonly timeoutMs: number
  readonly untilMs: number
}

/**
 * The connections to one target: the last used is taken first, so that few stay warm and the rest
 * can go. Whoever finds none waits in line, for the one that is opened for it or an earlier one.
 */
class UpstreamPool implements UpstreamHome, Timed {
  deadlineMs = NEVER
  readonly #pools: UpstreamPools
  readonly #key: string
  readonly #idle: UpstreamConnection[] = []
  readonly #waiting: Waiting[] = []
  readonly #open = new Set<UpstreamConnection>()
  #connecting = 0

  constructor(pools: UpstreamPools, key: string) {
    this.#pools = pools
    this.#key = key
    pools.components.deadlines.add(this)
  }

  acquire(target: Target, waiter: PoolWaiter, fresh: boolean): void {
    while (!fresh && this.#idle.length > 0) {
      const connection = this.#idle.pop()!
      if (connection.usable) {
        waiter.connected(connection)
        return
      }
    }
    const timeoutMs = waiter.connectTimeoutMs ?? this.#pools.connectTimeoutMs
    const untilMs = this.#pools.components.deadlines.after(timeoutMs)
    this.#waiting.push({ waiter, target, timeoutMs, untilMs })
    this.deadlineMs = Math.min(this.deadlineMs, untilMs)
    this.#connect(target, timeoutMs)
  }

  cancel(waiter: PoolWaiter): void {
    const index = this.#waiting.findIndex((waiting) => waiting.waiter === waiter)
    if (index >= 0) this.#waiting.splice(index, 1)
    if (this.#waiting.length === 0) this.deadlineMs = NEVER
  }

  opened(connection: UpstreamConnection): void {
    this.#connecting--
    connection.target.meter?.opened(performance.now() - connection.startedMs)
    this.released(connection)
  }

  openFailed(connection: UpstreamConnection, error: AriesError): void {
    this.#connecting--
    this.#shift()?.waiter.connectFailed(error)
    this.closed(connection)
  }

  released(connection: UpstreamConnection): void {
    const waiting = this.#shift()
    if (waiting !== undefined) waiting.waiter.connected(connection)
    else if (this.#pools.closing) connection.stream.destroy()
    else {
      connection.keepIdle()
      this.#idle.push(connection)
    }
  }

  closed(connection: UpstreamConnection): void {
    this.#open.delete(connection)
    connection.target.meter?.closed()
    this.#pools.components.stats.upstreamConnectionsOpen--
    const index = this.#idle.indexOf(connection)
    if (index >= 0) this.#idle.splice(index, 1)
    const next = this.#waiting[0]
    if (next !== undefined && this.#waiting.length > this.#connecting)
      this.#connect(next.target, next.timeoutMs)
    else this.#removeIfEmpty()
  }

  expired(): void {
    const nowMs = this.#pools.components.deadlines.nowMs
    const late = this.#waiting.filter(({ untilMs }) => untilMs <= nowMs)
    for (const waiting of late) {
      const index = this.#waiting.indexOf(waiting)
      if (index < 0) continue
      this.#waiting.splice(index, 1)
      waiting.waiter.connectFailed(
        new AriesError(
          'ARIES_E_NO_TARGET',
          `target ${waiting.target.id} gave no connection within connectTimeoutMs (${waiting.timeoutMs})`,
        ),
      )
    }
    this.#setDeadline()
  }

  targetDown(id: string): void {
    const lost = Array.from(this.#open).filter((connection) => connection.target.id === id)
    for (const connection of lost) connection.targetDown()
  }

  destroy(): void {
    for (const connection of this.#open) connection.stream.destroy()
  }

  closeIdle(): void {
    for (const connection of this.#idle) connection.stream.destroy()
  }

  #connect(target: Target, timeoutMs: number): void {
    if (this.#open.size >= (target.connectionsMax ?? this.#pools.connectionsMax)) return
    let stream: Duplex
    try {
      stream = openStream(target)
    } catch (thrown) {
      this.#shift()?.waiter.connectFailed(toAriesError(thrown, 'ARIES_E_BAD_GATEWAY'))
      this.#removeIfEmpty()
      return
    }
    const { stats, deadlines } = this.#pools.components
    this.#connecting++
    stats.upstreamConnectionsOpen++
    stats.upstreamConnectionsTotal++
    target.meter?.opening()
    const connection = new UpstreamConnection(target, stream, this, deadlines)
    this.#open.add(connection)
    connection.open(timeoutMs)
  }

  #removeIfEmpty(): void {
    if (this.#open.size > 0 || this.#waiting.length > 0) return
    this.#pools.components.deadlines.delete(this)
    this.#pools.remove(this.#key)
  }

  #shift(): Waiting | undefined {
    const waiting = this.#waiting.shift()
    if (this.#waiting.length === 0) this.deadlineMs = NEVER
    return waiting
  }

  /** The first of those who wait; routes differ in how long they do. */
  #setDeadline(): void {
    this.deadlineMs = NEVER
    for (const { untilMs } of this.#waiting) this.deadlineMs = Math.min(this.deadlineMs, untilMs)
  }
}

function openStream(target: Target): Duplex {
  return target.connect?.() ?? connectUpstream(target)
}
