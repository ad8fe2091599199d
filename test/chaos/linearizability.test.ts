import t from 'tap'
import { type Random, randomInt, seededRandom } from '../../src/world.ts'
import { type Call, checkLinearizable, type Model, type Verdict } from './linearizability.ts'
import {
  answeredValues,
  type CounterCall,
  type CounterInput,
  counterModel,
  type ListCall,
  listModel,
} from './models.ts'

const STEPS_MAX = 1_000_000
const NEVER = Number.POSITIVE_INFINITY

const increment = (startMs: number, endMs: number, output?: number): CounterCall => ({
  input: 'increment',
  output,
  startMs,
  endMs: output === undefined ? NEVER : endMs,
  name: 'increment',
})
const read = (startMs: number, endMs: number, output: number): CounterCall => ({
  input: 'read',
  output,
  startMs,
  endMs,
  name: 'read',
})
const append = (startMs: number, endMs: number, entry: number, output?: number): ListCall => ({
  input: { type: 'append', entry },
  output,
  startMs,
  endMs: output === undefined ? NEVER : endMs,
  name: `append ${entry}`,
})
const list = (startMs: number, endMs: number, output: number[]): ListCall => ({
  input: { type: 'read' },
  output,
  startMs,
  endMs,
  name: 'read',
})

const decide = (calls: CounterCall[], stepsMax: number): Verdict<CounterInput, number> =>
  checkLinearizable(counterModel(answeredValues(calls)), calls, stepsMax)
const counter = (...calls: CounterCall[]): string => decide(calls, STEPS_MAX).is
const log = (final: number[], ...calls: ListCall[]): string =>
  checkLinearizable(listModel(final), [...calls, list(1e6, 1e6, final)], STEPS_MAX).is

t.test('counter histories that one copy could have answered', async (t) => {
  const good = (what: string, ...calls: CounterCall[]): void => {
    t.equal(counter(...calls), 'linearizable', what)
  }
  good('nothing')
  good('one after the other', increment(0, 1, 1), read(2, 3, 1), increment(4, 5, 2))
  good('overlapping, in either order', increment(0, 10, 2), increment(0, 10, 1), read(5, 8, 0))
  good('touching is overlapping', increment(0, 5, 2), increment(5, 6, 1))
  good('a read that overlaps a write sees it', increment(0, 10, 1), read(1, 2, 1), read(3, 4, 1))
  good('unknown and never applied', increment(0, 0), increment(1, 2, 1), read(3, 4, 1))
  good('unknown and applied', increment(0, 0), increment(1, 2, 2), read(3, 4, 2))
  good(
    'unknown and applied late, after reads that do not see it',
    increment(0, 0),
    read(1, 2, 0),
    increment(3, 4, 1),
    read(5, 6, 1),
    read(7, 8, 2),
  )
  good('of two unknown only one was applied', increment(0, 0), increment(0, 0), read(1, 2, 1))
})

t.test('counter histories that no single copy could have answered', async (t) => {
  const bad = (what: string, ...calls: CounterCall[]): void => {
    t.equal(counter(...calls), 'violation', what)
  }
  bad('a stale read', increment(0, 1, 1), read(2, 3, 0))
  bad('a read that goes back', increment(0, 9, 1), read(1, 2, 1), read(3, 4, 0))
  bad('a lost update', increment(0, 9, 1), increment(0, 9, 1), read(10, 11, 1))
  bad('a lost acknowledged write', increment(0, 1, 1), increment(2, 3, 2), read(4, 5, 1))
  bad('a duplicated effect', increment(0, 1, 1), read(2, 3, 2))
  bad('an unknown one applied twice', increment(0, 0), read(1, 2, 2))
  bad('a read of the future', read(0, 1, 1), increment(2, 3, 1))
  bad('an unknown one applied before it was sent', read(0, 1, 1), increment(2, 2))
  bad('writes against time', increment(0, 1, 2), increment(2, 3, 1))
  bad('two that need the same unknown one', increment(0, 0), increment(1, 2, 2), read(3, 4, 3))
  bad(
    'a read between two that leave no room',
    increment(0, 1, 1),
    increment(2, 3, 2),
    read(4, 5, 3),
  )
})

t.test('list histories', async (t) => {
  t.equal(log([1, 2], append(0, 1, 1, 1), append(2, 3, 2, 2)), 'linearizable')
  t.equal(log([2, 1], append(0, 9, 1, 2), append(0, 9, 2, 1)), 'linearizable', 'overlapping')
  t.equal(log([2, 1], append(0, 9, 1), append(5, 9, 2, 1)), 'linearizable', 'an unknown one, late')
  t.equal(log([2], append(0, 9, 1), append(5, 9, 2, 1)), 'linearizable', 'an unknown one, never')
  t.equal(log([2], append(0, 1, 1, 1), append(5, 9, 2, 1)), 'violation', 'a lost append')
  t.equal(log([1, 1], append(0, 1, 1, 1)), 'violation', 'an append twice')
  t.equal(log([1, 1], append(0, 1, 1)), 'violation', 'an unknown append twice')
  t.equal(log([2, 1], append(0, 1, 1, 2), append(2, 3, 2, 1)), 'violation', 'against time')
  t.equal(log([1, 2], append(0, 1, 1, 1), append(5, 6, 2, 2), list(3, 4, [])), 'violation', 'stale')
  t.equal(log([1, 2], append(0, 9, 2, 1), append(0, 9, 1, 2)), 'violation', 'answers exchanged')
})

t.test('what stands in the way is named', async (t) => {
  const calls = [increment(0, 1, 1), increment(2, 3, 2), read(4, 5, 1), read(6, 7, 2)]
  t.match(decide(calls, STEPS_MAX), { is: 'violation', stuck: [calls[2]!] })
})

/** Any value may be written: the search has nothing to go by. */
const REGISTER: Model<{ readonly write?: number }, number> = {
  initial: 0,
  step(state, { write = state }, output) {
    return output === undefined || output === write ? write : undefined
  },
}

function write(startMs: number, endMs: number, value: number) {
  return { input: { write: value }, output: value, startMs, endMs, name: `write ${value}` }
}

t.test('decides any model: a register that values are written to', async (t) => {
  const readAs = (startMs: number, endMs: number, output: number) => {
    return { input: {}, output, startMs, endMs, name: 'read' }
  }
  const verdict = (...calls: Call<{ write?: number }, number>[]): string =>
    checkLinearizable(REGISTER, calls, STEPS_MAX).is
  const both = [write(0, 9, 1), write(0, 9, 2)]
  t.equal(verdict(...both, readAs(10, 11, 1)), 'linearizable')
  t.equal(verdict(...both, readAs(10, 11, 1), readAs(12, 13, 2)), 'violation')
  t.equal(verdict(...both, readAs(1, 2, 2), readAs(3, 4, 1), readAs(10, 11, 1)), 'linearizable')
  t.equal(verdict(...both, readAs(1, 2, 2), readAs(3, 4, 1), readAs(10, 11, 2)), 'violation')
})

t.test('a history that takes too long is undecided, not a hang and not a verdict', async (t) => {
  // Every set of the writes is another situation, and none has the last read's value.
  const calls = Array.from({ length: 24 }, (_, i) => write(0, 100, i + 1))
  const last = { input: {}, output: 99, startMs: 200, endMs: 201, name: 'read' }
  t.match(checkLinearizable(REGISTER, [...calls, last], 10_000), { is: 'undecided' })
})

/** Runs on one copy, with answers that are lost; sees each operation at a moment of its own. */
function simulate(random: Random, count: number): CounterCall[] {
  let value = 0
  let nowMs = 0
  const calls: CounterCall[] = []
  const due: { atMs: number; run: () => void }[] = []
  for (let i = 0; i < count; i++) {
    const startMs = random.next() * count
    const isRead = randomInt(random, 3) === 0
    const atMs = startMs + random.next() * 10
    const endMs = atMs + random.next() * 10
    const fate = randomInt(random, 10)
    due.push({
      atMs: fate === 0 ? atMs + random.next() * count : atMs,
      run: () => {
        if (isRead) calls.push(read(startMs, endMs, value))
        else if (fate === 1) calls.push(increment(startMs, endMs))
        else {
          value++
          calls.push(fate === 0 ? increment(startMs, endMs) : increment(startMs, endMs, value))
        }
      },
    })
    if (isRead && fate === 0) due.pop()
  }
  for (const { atMs, run } of due.toSorted((a, b) => a.atMs - b.atMs)) {
    nowMs = atMs
    run()
  }
  return [...calls, read(nowMs + 100, nowMs + 101, value)]
}

const FREE = counterModel(new Set())

/** Every order, tried one by one: what the search must agree with. */
function bruteForce(calls: readonly CounterCall[], state = 0): boolean {
  if (calls.every((call) => call.endMs === NEVER)) return true
  const firstEnd = Math.min(...calls.map((call) => call.endMs))
  return calls.some((call, i) => {
    if (call.startMs > firstEnd) return false
    const after = FREE.step(state, call.input, call.output)
    return after !== undefined && bruteForce(calls.toSpliced(i, 1), after)
  })
}

t.test('what one copy answered is linearizable, and one changed answer is found', async (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed)
    const calls = simulate(random, 300)
    if (counter(...calls) !== 'linearizable') t.fail(`seed ${seed}: good history`)
    const at = calls.findIndex((call) => call.output !== undefined && call.output > 20)
    const changed = calls.with(at, { ...calls[at]!, output: calls[at]!.output! - 15 })
    if (counter(...changed) !== 'violation') t.fail(`seed ${seed}: changed history`)
  }
  t.pass()
})

t.test('agrees with trying every order, on small histories of any kind', async (t) => {
  let good = 0
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = seededRandom(seed)
    const calls = Array.from({ length: 6 }, () => {
      const startMs = randomInt(random, 8)
      const endMs = startMs + randomInt(random, 5)
      const value = randomInt(random, 3)
      if (randomInt(random, 3) === 0) return read(startMs, endMs, value)
      return randomInt(random, 4) === 0
        ? increment(startMs, endMs)
        : increment(startMs, endMs, value + 1)
    })
    const expected = bruteForce(calls)
    if (expected) good++
    if ((counter(...calls) === 'linearizable') !== expected) t.fail(`seed ${seed}`)
  }
  t.ok(good > 50, 'some are good')
})

t.test('a long history with many lost answers is decided', async (t) => {
  const calls = simulate(seededRandom(7), 20_000)
  t.equal(decide(calls, 2_000_000).is, 'linearizable')
})
