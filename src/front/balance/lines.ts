/** The lines of a shard: where requests wait whose targets are all full. */
import { PRIORITIES, type Priority } from '../../config/schema/traffic.ts'
import { AriesError } from '../../errors.ts'
import { RequestLine, type RequestLineLimits } from '../../placement/request-line.ts'
import type { Target } from '../plan.ts'

/** How often those whose time is up are looked for, and targets whose news got old are tried. */
const LOOK_MS = 50

/** One who waits. */
interface Waiting {
  /** Takes a target now; undefined: still none. Throws when there will be none. */
  readonly take: () => Target | undefined
  readonly resolve: (target: Target) => void
  readonly reject: (error: AriesError) => void
}

/** Names one who waits, to leave the line with. */
export type Ticket = object

/** The line of one group of targets: those of a route, or all nodes. */
export class Line {
  readonly #lines: Lines
  readonly #line: RequestLine<Waiting>
  readonly priority: Priority

  constructor(lines: Lines, priority: Priority, limits: RequestLineLimits) {
    this.#lines = lines
    this.priority = priority
    this.#line = new RequestLine(limits)
  }

  get length(): number {
    return this.#line.length
  }

  setLimits(limits: RequestLineLimits): void {
    this.#line.setLimits(limits)
  }

  /**
   * Waits until `take` finds a target. Rejects with `ARIES_E_OVERLOADED` when the line is full or
   * the time is up. `ticketed` gets what `leave` takes.
   */
  wait(take: Waiting['take'], ticketed: (ticket: Ticket) => void): Promise<Target> {
    return new Promise((resolve, reject) => {
      const waiting = { take, resolve, reject }
      if (!this.#line.join(waiting, performance.now())) {
        reject(overloaded('as many requests wait as may (balance.queueMax)'))
        return
      }
      ticketed(waiting)
      this.#lines.joined(this)
    })
  }

  leave(ticket: Ticket): void {
    this.#line.leave(ticket as Waiting)
  }

  /** Serves those who wait for as long as there are targets that are not full. */
  advance(): void {
    for (;;) {
      const waiting = this.#line.next(performance.now())
      if (waiting === undefined) return
      try {
        const target = waiting.take()
        if (target === undefined) return
        waiting.resolve(target)
      } catch (thrown) {
        waiting.reject(thrown as AriesError)
      }
      this.#line.leave(waiting)
    }
  }

  expire(): void {
    for (const { reject } of this.#line.expire(performance.now())) {
      reject(overloaded('every target was full for too long (balance.queueTimeoutMs)'))
    }
  }
}

export class Lines {
  #limits: RequestLineLimits
  /** Lines that may have somebody in them. */
  readonly #busy = new Set<Line>()
  #looking: NodeJS.Timeout | undefined

  constructor(limits: RequestLineLimits) {
    this.#limits = limits
  }

  /** `limits`: those of a route that has its own. */
  open(priority: Priority = 'normal', limits = this.#limits): Line {
    return new Line(this, priority, limits)
  }

  /** For lines opened from now on. */
  setLimits(limits: RequestLineLimits): void {
    this.#limits = limits
  }

  /** Requests that wait now. */
  get length(): number {
    let sum = 0
    for (const line of this.#busy) sum += line.length
    return sum
  }

  joined(line: Line): void {
    this.#busy.add(line)
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS)
  }

  /** A request has ended somewhere: its target may have room for another. */
  advance(): void {
    if (this.#busy.size === 0) return
    for (const priority of PRIORITIES) {
      for (const line of this.#busy) if (line.priority === priority) line.advance()
    }
  }

  close(): void {
    clearInterval(this.#looking)
    this.#looking = undefined
  }

  #look(): void {
    for (const line of this.#busy) line.expire()
    this.advance()
    for (const line of this.#busy) {
      if (line.length === 0) this.#busy.delete(line)
    }
    if (this.#busy.size === 0) this.close()
  }
}

function overloaded(message: string): AriesError {
  return new AriesError('ARIES_E_OVERLOADED', message)
}
