/**
 * What was done to one worker that only grows (a counter, a list), and whether one copy of it that
 * took the operations one at a time could have answered so: linearizability, decided in n log n.
 *
 * A write that made the value v takes effect between the reads of v - 1 and the reads of v. So each
 * answer names its place in the order: 2v - 1 for the write, 2v for a read. The history is
 * linearizable when no operation that began after another had ended has a place before it, and no
 * two writes have the same place.
 */

export type Outcome =
  /** Answered: `value` is known. */
  | 'ok'
  /** Not applied: the answer says so. */
  | 'failed'
  /** Applied once or not at all. */
  | 'unknown'

export interface Operation {
  readonly n: number
  readonly kind: 'write' | 'read'
  /** It may be repeated without harm (a read, or a write with an `Idempotency-Key`): it never fails. */
  readonly safe: boolean
  readonly key: string
  readonly startMs: number
  readonly endMs: number
  readonly outcome: Outcome
  /** The value that the write made, or that the read saw. */
  readonly value: number
  /** Who answered, and what; for the report. */
  readonly answer: string
}

/** The state at the end, read when nothing was under way any more. */
export interface FinalState {
  readonly value: number
  /** Of a list: the number of the operation that made each entry, in order. */
  readonly list?: readonly number[]
}

export interface Violation {
  readonly what: string
  readonly operations: readonly Operation[]
}

/** Everything that is wrong with the history of one key; empty when it is right. */
export function checkHistory(operations: readonly Operation[], final: FinalState): Violation[] {
  const { list } = final
  const known = list ? operations.map((op) => placed(op, list)) : operations
  return [
    ...checkWrites(operations, final),
    ...(list ? checkList(operations, list) : []),
    ...checkOrder(known, final),
  ]
}

/** An unknown write that is in the list did happen, some time after it was sent. */
function placed(op: Operation, list: readonly number[]): Operation {
  if (op.kind !== 'write' || op.outcome !== 'unknown') return op
  const at = list.indexOf(op.n)
  if (at < 0) return op
  return { ...op, outcome: 'ok', value: at + 1, endMs: Number.POSITIVE_INFINITY }
}

function checkWrites(operations: readonly Operation[], final: FinalState): Violation[] {
  const violations: Violation[] = []
  const byValue = new Map<number, Operation>()
  let unknown = 0
  for (const op of operations) {
    if (op.kind !== 'write') continue
    if (op.outcome === 'unknown') unknown++
    if (op.outcome !== 'ok') continue
    const twin = byValue.get(op.value)
    if (twin) violations.push({ what: `${op.value} answered twice`, operations: [twin, op] })
    byValue.set(op.value, op)
  }
  const most = byValue.size + unknown
  if (final.value > most) {
    const what = `the value is ${final.value}: ${byValue.size} writes were acknowledged and ${unknown} unknown`
    violations.push({ what, operations: [] })
  }
  return violations
}

function checkList(operations: readonly Operation[], list: readonly number[]): Violation[] {
  const violations: Violation[] = []
  const places = new Map<number, number>()
  list.forEach((n, i) => {
    if (places.has(n)) violations.push({ what: `${n} is in the list twice`, operations: [] })
    places.set(n, i + 1)
  })
  for (const op of operations) {
    if (op.kind !== 'write') continue
    const place = places.get(op.n)
    if (op.outcome === 'ok' && place !== op.value) {
      const what = `acknowledged as entry ${op.value}, the list has it at ${place ?? 'no place'}`
      violations.push({ what, operations: [op] })
    }
    if (op.outcome === 'failed' && place !== undefined) {
      violations.push({ what: `refused, but in the list at ${place}`, operations: [op] })
    }
  }
  return violations
}

function checkOrder(operations: readonly Operation[], final: FinalState): Violation[] {
  const known = operations.filter((op) => op.outcome === 'ok')
  const byEnd = known.toSorted((a, b) => a.endMs - b.endMs)
  const violations: Violation[] = []
  let ended = 0
  let newest: Operation | undefined
  for (const op of known.toSorted((a, b) => a.startMs - b.startMs)) {
    for (; ended < byEnd.length && byEnd[ended]!.endMs < op.startMs; ended++) {
      const done = byEnd[ended]!
      if (!newest || place(done) > place(newest)) newest = done
    }
    if (newest && place(op) < place(newest)) {
      violations.push({ what: `went back from ${newest.value}`, operations: [newest, op] })
    }
  }
  for (const op of known) {
    if (op.value <= final.value) continue
    violations.push({ what: `at the end only ${final.value} is left`, operations: [op] })
  }
  return violations
}

function place({ kind, value }: Operation): number {
  return kind === 'write' ? 2 * value - 1 : 2 * value
}
