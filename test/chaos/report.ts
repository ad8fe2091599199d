/** What a chaos run saw: operations, events, violations, on one time line. */
import type { Operation } from './history.ts'

/** So many operations of the key are shown before and after the ones of a violation. */
const AROUND = 3
const VIOLATIONS_MAX = 50

interface Found {
  readonly atMs: number
  readonly what: string
  readonly operations: readonly Operation[]
}

export class Report {
  readonly #startMs = performance.now()
  readonly #progress: (line: string) => void
  readonly #operations: Operation[] = []
  readonly #events: { readonly atMs: number; readonly what: string }[] = []
  readonly #violations: Found[] = []
  readonly #recoveriesMs: number[] = []
  #calm: number | undefined
  #calms = 0

  constructor(progress: (line: string) => void) {
    this.#progress = progress
  }

  /** Number of the period in which nothing may fail; undefined while something is broken. */
  get calm(): number | undefined {
    return this.#calm
  }

  get operations(): readonly Operation[] {
    return this.#operations
  }

  get violations(): readonly string[] {
    return this.#violations.map((violation) => violation.what)
  }

  get events(): readonly string[] {
    return this.#events.map((event) => event.what)
  }

  /** How long after a fault ended everything worked again, milliseconds. */
  get recoveriesMs(): readonly number[] {
    return this.#recoveriesMs
  }

  /** From now on nothing may fail. */
  setCalm(): void {
    this.#calms++
    this.#calm = this.#calms
  }

  /** What failed, and how often: `write 502 ARIES_E_OUTCOME_UNKNOWN, kill a node`. */
  get failures(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const op of this.#operations) {
      if (op.outcome === 'ok') continue
      const [status = '', , body = ''] = op.answer.split(' ', 3)
      const code = /ARIES_E_[A-Z_]+/.exec(op.answer)?.[0] ?? body
      const during = this.#events.findLast((event) => event.atMs <= op.endMs)?.what
      const name = `${op.kind} ${status} ${code}, ${during}`
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  setBroken(): void {
    this.#calm = undefined
  }

  add(op: Operation): void {
    this.#operations.push(op)
  }

  recovered(ms: number): void {
    this.#recoveriesMs.push(ms)
  }

  event(what: string): void {
    const atMs = performance.now()
    this.#events.push({ atMs, what })
    this.#progress(`${this.#at(atMs)}  ${what}`)
  }

  violation(what: string, operations: readonly Operation[] = []): void {
    const atMs = performance.now()
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push({ atMs, what, operations })
    this.#progress(`${this.#at(atMs)}  VIOLATION ${what}`)
  }

  /** The violations, each with the operations and events around it. */
  details(): string {
    return this.#violations.map((found) => this.#detail(found)).join('\n')
  }

  #detail({ atMs, what, operations }: Found): string {
    const times = operations.flatMap((op) => [op.startMs, op.endMs])
    const from = Math.min(atMs, ...times) - 500
    const to = Math.max(operations.length > 0 ? 0 : atMs, ...times) + 500
    const events = this.#events
      .filter((event) => event.atMs >= from - 5_000 && event.atMs <= to)
      .map((event) => `    ${this.#at(event.atMs)}  # ${event.what}`)
    const lines = operations.flatMap((op) => this.#around(op))
    const shown = [...new Set(lines)].map((op) => `    ${this.#line(op, operations.includes(op))}`)
    return [`${this.#at(atMs)}  ${what}`, ...events, ...shown].join('\n')
  }

  #around(op: Operation): Operation[] {
    const same = this.#operations.filter((other) => other.key === op.key)
    const at = same.findIndex((other) => other.n === op.n)
    return same.slice(Math.max(0, at - AROUND), at + AROUND + 1)
  }

  #line(op: Operation, marked: boolean): string {
    const { n, kind, key, startMs, endMs, answer } = op
    const mark = marked ? '>' : ' '
    return `${mark} ${this.#at(startMs)} … ${this.#at(endMs)}  #${n} ${kind} ${key}: ${answer}`
  }

  #at(ms: number): string {
    return `${((ms - this.#startMs) / 1_000).toFixed(3).padStart(8)} s`
  }
}
