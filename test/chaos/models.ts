/** What the workers of a chaos run do, as models for `linearizability.ts`. */
import type { FinalState, Operation } from './history.ts'
import { type Call, checkLinearizable, type Model, type Verdict } from './linearizability.ts'

/** A counter: `increment` answers the value that it made, `read` the value. */
export type CounterInput = 'increment' | 'read'

/**
 * `answered`: the values that increments answered. Since the value only grows, an increment without
 * an answer that made one of these would leave none for the one that answered it.
 */
export function counterModel(answered: ReadonlySet<number>): Model<CounterInput, number> {
  return {
    initial: 0,
    step(state, input, output) {
      const after = input === 'increment' ? state + 1 : state
      if (output !== undefined) return output === after ? after : undefined
      return answered.has(after) ? undefined : after
    },
  }
}

/** A list that only grows: `append` and `length` answer how long it is then, `read` what it holds. */
export type ListInput =
  | { readonly type: 'append'; readonly entry: number }
  | { readonly type: 'length' }
  | { readonly type: 'read' }

export type ListOutput = number | readonly number[]

/**
 * `final`: what the last read of the history says. Since the list only grows, every state on the
 * way to it is a beginning of it: its length is all that a state need hold, and an append that goes
 * elsewhere leads nowhere.
 */
export function listModel(final: readonly number[]): Model<ListInput, ListOutput> {
  return {
    initial: 0,
    step(state, input, output) {
      if (input.type === 'append' && final[state] !== input.entry) return undefined
      const after = input.type === 'append' ? state + 1 : state
      if (output === undefined) return after
      return says(output, final, after) ? after : undefined
    },
  }
}

function says(output: ListOutput, final: readonly number[], length: number): boolean {
  if (typeof output === 'number') return output === length
  return output.length === length && output.every((entry, i) => entry === final[i])
}

/** Decides the history of one worker, with the read at its end. */
export function judge(
  operations: readonly Operation[],
  final: FinalState,
  stepsMax: number,
): Verdict<unknown, unknown> {
  const effective = operations.filter((op) => op.outcome !== 'failed' && !isVoid(op))
  const atMs = effective.reduce((last, { startMs, endMs }) => Math.max(last, startMs, endMs), 0) + 1
  const { value, list } = final
  if (list === undefined) {
    const calls = effective.map((op) => counterCall(op))
    const last: CounterCall = { input: 'read', output: value, ...at(atMs) }
    return checkLinearizable(counterModel(answeredValues(calls)), [...calls, last], stepsMax)
  }
  const calls = effective.map((op) => listCall(op))
  const last: ListCall = { input: { type: 'read' }, output: list, ...at(atMs) }
  return checkLinearizable(listModel(list), [...calls, last], stepsMax)
}

export type CounterCall = Call<CounterInput, number>
export type ListCall = Call<ListInput, ListOutput>

export function answeredValues(calls: readonly CounterCall[]): Set<number> {
  const increments = calls.filter((call) => call.input === 'increment')
  return new Set(increments.flatMap(({ output }) => output ?? []))
}

/** A read without an answer says nothing and does nothing. */
function isVoid({ kind, outcome }: Operation): boolean {
  return kind === 'read' && outcome === 'unknown'
}

function counterCall(op: Operation): CounterCall {
  const input = op.kind === 'write' ? 'increment' : 'read'
  return { input, ...answer(op), name: input }
}

function listCall(op: Operation): ListCall {
  const append = { type: 'append', entry: op.n } as const
  const input: ListInput = op.kind === 'write' ? append : { type: 'length' }
  return { input, ...answer(op), name: `${op.kind} ${op.n}` }
}

function answer({ outcome, value, startMs, endMs }: Operation) {
  if (outcome === 'ok') return { output: value, startMs, endMs }
  return { output: undefined, startMs, endMs: Number.POSITIVE_INFINITY }
}

function at(ms: number): { startMs: number; endMs: number; name: string } {
  return { startMs: ms, endMs: ms, name: 'read' }
}
