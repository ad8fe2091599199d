/**
 * A history as lines of JSON, one for each operation, for outside checkers; see
 * docs/reference/chaos.md.
 */
import type { FinalState, Operation } from './history.ts'

/** The read of a worker at the end, when nothing was under way any more. */
export interface FinalRead {
  readonly key: string
  readonly startMs: number
  readonly endMs: number
  readonly final: FinalState
}

const TYPES = { ok: 'ok', failed: 'fail', unknown: 'info' } as const

export function historyLines(
  operations: readonly Operation[],
  finals: readonly FinalRead[],
): string {
  const lines = operations.map((op) => {
    const isList = op.key.startsWith('/log')
    const isWrite = op.kind === 'write'
    return {
      process: op.n,
      key: op.key,
      f: isWrite ? (isList ? 'append' : 'increment') : isList ? 'length' : 'read',
      value: isList && isWrite ? op.n : null,
      type: TYPES[op.outcome],
      output: op.outcome === 'ok' ? op.value : null,
      call: nanoseconds(op.startMs),
      return: nanoseconds(op.endMs),
    }
  })
  const ends = finals.map(({ key, startMs, endMs, final }, i) => ({
    process: operations.length + i + 1,
    key,
    f: final.list ? 'list' : 'read',
    value: null,
    type: 'ok',
    output: final.list ?? final.value,
    call: nanoseconds(startMs),
    return: nanoseconds(endMs),
  }))
  return [...lines, ...ends].map((line) => `${JSON.stringify(line)}\n`).join('')
}

function nanoseconds(ms: number): number {
  return Math.round(ms * 1e6)
}
