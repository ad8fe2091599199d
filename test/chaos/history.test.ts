import t from 'tap'
import { checkHistory, type Operation } from './history.ts'

type Short = [n: number, kind: 'w' | 'r', startMs: number, endMs: number, outcome: string]

function operation([n, kind, startMs, endMs, outcome]: Short): Operation {
  const value = Number(outcome)
  return {
    n,
    kind: kind === 'w' ? 'write' : 'read',
    safe: false,
    key: 'k',
    startMs,
    endMs,
    outcome: Number.isNaN(value) ? (outcome as 'failed' | 'unknown') : 'ok',
    value: Number.isNaN(value) ? 0 : value,
    answer: '',
  }
}

function faults(history: readonly Short[], value: number, list?: readonly number[]): string[] {
  const final = list ? { value, list } : { value }
  return checkHistory(history.map(operation), final).map((violation) => violation.what)
}

t.test('histories that one copy could have answered', async (t) => {
  t.strictSame(faults([], 0), [])
  const concurrent: Short[] = [
    [1, 'w', 0, 10, '2'],
    [2, 'w', 0, 10, '1'],
    [3, 'r', 5, 8, '0'],
    [4, 'r', 11, 12, '2'],
  ]
  t.strictSame(faults(concurrent, 2, [2, 1]), [], 'in either order while they overlap')
  const unknown: Short[] = [
    [1, 'w', 0, 10, 'unknown'],
    [2, 'w', 11, 12, '1'],
  ]
  t.strictSame(faults(unknown, 1, [2]), [], 'an unknown write that was not applied')
  t.strictSame(faults(unknown, 2, [2, 1]), [], 'an unknown write that was applied late')
  t.strictSame(faults([[1, 'w', 0, 9, 'failed']], 0, []), [], 'a refused write')
})

t.test('histories that no single copy could have answered', async (t) => {
  const once: Short[] = [
    [1, 'w', 0, 10, '1'],
    [2, 'w', 11, 12, '1'],
  ]
  t.match(faults(once, 1), [/1 answered twice/])
  t.match(faults([[1, 'w', 0, 1, '1']], 0, []), [/no place/, /only 0 is left/], 'a lost write')
  t.match(faults([[1, 'w', 0, 1, '1']], 2), [/the value is 2/], 'a write applied twice')
  t.match(faults([[1, 'w', 0, 1, 'unknown']], 2, [1, 1]), [/the value is 2/, /1 .* twice/])
  t.match(faults([[1, 'w', 0, 1, 'failed']], 1, [1]), [/the value is 1/, /refused, but/])
  const stale: Short[] = [
    [1, 'w', 0, 10, '1'],
    [2, 'r', 11, 12, '0'],
  ]
  t.match(faults(stale, 1), [/went back from 1/], 'a read of the past')
  const reordered: Short[] = [
    [1, 'w', 0, 1, '2'],
    [2, 'w', 2, 3, '1'],
  ]
  t.match(faults(reordered, 2, [2, 1]), [/went back from 2/], 'writes against time')
  const late: Short[] = [
    [1, 'w', 5, 6, 'unknown'],
    [2, 'r', 1, 2, '1'],
    [3, 'w', 0, 3, '2'],
  ]
  t.match(faults(late, 2, [1, 3]), [/went back from 2/], 'an unknown write before it was sent')
})
