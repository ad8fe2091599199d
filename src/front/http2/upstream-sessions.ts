import { AriesError, toAriesError } from '../../errors.ts'
import { type Deadlines, NEVER, type Timed } from '../../http1/deadlines.ts'
import type { EngineStats } from '../http1/stats.ts'
import { failure } from '../http1/upstream-connection.ts'
import type { PoolWaiter } from '../http1/upstream-pools.ts'
import type { Target } from '../plan.ts'
import { TARGET_SESSIONS_MAX } from './limits.ts'
import { type SessionHome, UpstreamSession } from './upstream-session.ts'

export interface UpstreamSessionsComponents {
  readonly deadlines: Deadlines
  readonly stats: EngineStats
}

/** The HTTP/2 connections to all targets that speak it, by `Target.poolKey`. */
export class UpstreamSessions {
  readonly components: UpstreamSessionsComponents
  readonly connectTimeoutMs: number
  readonly #groups = new Map<string, SessionGroup>()
  closing = false

  constructor(components: UpstreamSessionsComponents, init: { readonly connectTimeoutMs: number }) {
    this.components = components
    this.connectTimeoutMs = init.connectTimeoutMs
  }

  /** Gives `waiter` a stream to `target`, at once when a session has room. */
  acquire(target: Target, waiter: PoolWaiter): void {
    let group = this.#groups.get(target.poolKey)
    if (group === undefined) {
      group = new SessionGroup(this, target.poolKey)
      this.#groups.set(target.poolKey, group)
    }
    group.acquire(target, waiter)
  }

  /** `waiter` has gone; nothing is called any more. */
  cancel(target: Target, waiter: PoolWaiter): void {
    this.#groups.get(target.poolKey)?.cancel(waiter)
  }

  targetDown(id: string): void {
    for (const group of this.#groups.values()) group.targetDown(id)
  }

  remove(poolKey: string): void {
    this.#groups.delete(poolKey)
  }

  /** No new streams after those that run. */
  close(): void {
    this.closing = true
    for (const group of this.#groups.values()) group.each((session) => session.close())
  }

  destroy(): void {
    for (const group of this.#groups.values()) group.each((session) => session.destroy())
  }
}

interface Waiting {
  readonly waiter: PoolWaiter
  readonly target: Target
  readonly timeoutMs: number
  readonly untilMs: number
}

/**
 * The sessions with one target. A new one is opened when all are full, one at a time: who waits takes
 * whatever has room first.
 */
class SessionGroup implements SessionHome, Timed {
  deadlineMs = NEVER
  readonly #all: UpstreamSessions
  readonly #key: string
  readonly #sessions = new Set<UpstreamSession>()
  #waiting: Waiting[] = []

  constructor(all: UpstreamSessions, key: string) {
    this.#all = all
    this.#key = key
    all.components.deadlines.add(this)
  }

  acquire(target: Target, waiter: PoolWaiter): void {
    for (const session of this.#sessions) {
      if (!session.hasRoom) continue
      waiter.connected(session.open())
      return
    }
    const timeoutMs = waiter.connectTimeoutMs ?? this.#all.connectTimeoutMs
    const untilMs = this.#all.components.deadlines.after(timeoutMs)
    this.#waiting.push({ waiter, target, timeoutMs, untilMs })
    this.#setDeadline()
    this.#connect()
  }

  cancel(waiter: PoolWaiter): void {
    this.#waiting = this.#waiting.filter((one) => one.waiter !== waiter)
    this.#setDeadline()
  }

  opened(): void {
    this.hasRoom()
    this.#connect()
  }

  hasRoom(): void {
    for (const session of this.#sessions) {
      while (this.#waiting.length > 0 && session.hasRoom) {
        this.#waiting.shift()!.waiter.connected(session.open())
      }
    }
    this.#setDeadline()
  }

  gone(session: UpstreamSession, error: Error | undefined, connecting: boolean): void {
    this.#sessions.delete(session)
    this.#all.components.stats.upstreamConnectionsOpen--
    session.target.meter?.closed()
    if (connecting) {
      // It is no better for those who came while it was tried.
      const failed = this.#waiting
      this.#waiting = []
      const why = failure(session.target, error, true)
      for (const { waiter } of failed) waiter.connectFailed(why)
    }
    this.#connect()
    this.#removeIfEmpty()
  }

  expired(): void {
    const { nowMs } = this.#all.components.deadlines
    const late = this.#waiting.filter(({ untilMs }) => untilMs <= nowMs)
    this.#waiting = this.#waiting.filter(({ untilMs }) => untilMs > nowMs)
    this.#setDeadline()
    for (const { waiter, target, timeoutMs } of late) {
      waiter.connectFailed(
        new AriesError(
          'ARIES_E_NO_TARGET',
          `target ${target.id} took no request within connectTimeoutMs (${timeoutMs})`,
        ),
      )
    }
  }

  targetDown(id: string): void {
    this.each((session) => {
      if (session.target.id === id) session.targetDown()
    })
  }

  each(act: (session: UpstreamSession) => void): void {
    for (const session of Array.from(this.#sessions)) act(session)
  }

  #connect(): void {
    const next = this.#waiting[0]
    if (next === undefined) return
    for (const { connecting } of this.#sessions) if (connecting) return
    if (this.#sessions.size >= (next.target.connectionsMax ?? TARGET_SESSIONS_MAX)) return
    const { stats, deadlines } = this.#all.components
    try {
      const session = new UpstreamSession(next.target, this, deadlines, next.timeoutMs)
      this.#sessions.add(session)
      stats.upstreamConnectionsOpen++
      stats.upstreamConnectionsTotal++
      next.target.meter?.opening()
    } catch (thrown) {
      this.#waiting.shift()
      this.#setDeadline()
      next.waiter.connectFailed(toAriesError(thrown, 'ARIES_E_BAD_GATEWAY'))
      this.#removeIfEmpty()
    }
  }

  #setDeadline(): void {
    this.deadlineMs = NEVER
    for (const { untilMs } of this.#waiting) this.deadlineMs = Math.min(this.deadlineMs, untilMs)
  }

  #removeIfEmpty(): void {
    if (this.#sessions.size > 0 || this.#waiting.length > 0) return
    this.#all.components.deadlines.delete(this)
    this.#all.remove(this.#key)
  }
}
