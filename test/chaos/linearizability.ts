/**
 * Whether one copy of a thing that takes operations one at a time could have given all the answers
 * of a history, each at some moment between its call and its return: linearizability.
 *
 * The search is that of J. M. Wing and C. Gong, "Testing and verifying concurrent objects" (1993),
 * with the memory of G. Lowe, "Testing for linearizability" (2017): a set of operations that have
 * taken effect, together with the state they made, is looked at once. The problem is NP-complete,
 * so the search has a bound and says `undecided` at its end.
 */
import { type Random, randomInt, seededRandom } from '../../src/world.ts'

/** What a correct copy would do. States are compared as numbers. */
export interface Model<Input, Output> {
  readonly initial: number
  /** The state after `input` in `state` when that may answer `output`; undefined: it may not. */
  step(state: number, input: Input, output: Output | undefined): number | undefined
}

export interface Call<Input, Output> {
  readonly input: Input
  /** Undefined: not known, any will do. */
  readonly output: Output | undefined
  readonly startMs: number
  /** `Infinity`: no answer came; it takes effect at any time after its start, or never. */
  readonly endMs: number
  /** Calls without an answer that are named alike have the same effect. */
  readonly name: string
}

export type Verdict<Input, Output> =
  | { readonly is: 'linearizable' }
  | { readonly is: 'undecided'; readonly steps: number }
  /** `stuck`: the calls of which one had to come next on the longest way, and none could. */
  | { readonly is: 'violation'; readonly stuck: readonly Call<Input, Output>[] }

/** Where the search came through: what took effect, and where to go on looking when it was wrong. */
interface Frame {
  /** Entry of an answered call, or -1. */
  readonly entry: number
  /** Place in the list of calls without an answer, or -1. */
  readonly open: number
  readonly before: number
  /** It changed nothing, so it may as well come first: there is nothing else to try. */
  readonly sure: boolean
}

/**
 * Decides the history of one thing. `stepsMax` bounds the time: a step tries one call in one state.
 */
export function checkLinearizable<Input, Output>(
  model: Model<Input, Output>,
  calls: readonly Call<Input, Output>[],
  stepsMax: number,
): Verdict<Input, Output> {
  return new Search(model, calls, stepsMax).run()
}

class Search<Input, Output> {
  readonly #model: Model<Input, Output>
  readonly #stepsMax: number
  readonly #answered: Entries<Call<Input, Output>>
  readonly #open: OpenCalls<Call<Input, Output>>
  readonly #seen: Seen
  readonly #frames: Frame[] = []
  #state: number
  #steps = 0
  #longest = -1
  #stuck: Call<Input, Output>[] = []

  constructor(
    model: Model<Input, Output>,
    calls: readonly Call<Input, Output>[],
    stepsMax: number,
  ) {
    this.#model = model
    this.#stepsMax = stepsMax
    this.#answered = new Entries(calls.filter((call) => call.endMs !== Number.POSITIVE_INFINITY))
    this.#open = new OpenCalls(calls.filter((call) => call.endMs === Number.POSITIVE_INFINITY))
    this.#seen = new Seen(this.#answered.count, this.#open.count)
    this.#state = model.initial
  }

  run(): Verdict<Input, Output> {
    let ahead = this.#forward()
    while (!this.#answered.isEmpty) {
      if (this.#steps > this.#stepsMax) return { is: 'undecided', steps: this.#steps }
      if (ahead) {
        ahead = this.#forward()
        continue
      }
      this.#note()
      const frame = this.#frames.pop()
      if (frame === undefined) return { is: 'violation', stuck: this.#stuck }
      this.#undo(frame)
      ahead = !frame.sure && this.#otherwise(frame)
    }
    return { is: 'linearizable' }
  }

  /** Lets a first call take effect; false: none can. */
  #forward(): boolean {
    const answered = this.#answered
    const before = this.#state
    for (let at = answered.first; answered.isCall(at); at = answered.next(at)) {
      if (this.#after(answered.call(at)) !== before) continue
      return this.#try({ entry: at, open: -1, before, sure: true }, before)
    }
    return this.#change(answered.first, 0)
  }

  /** Lets another call take effect than that of `frame`, and than those tried before it. */
  #otherwise({ entry, open }: Frame): boolean {
    return entry < 0
      ? this.#change(this.#answered.end, open + 1)
      : this.#change(this.#answered.next(entry), 0)
  }

  /** The answered calls from `entry` on, then those that may never have happened from `open` on. */
  #change(entry: number, open: number): boolean {
    const answered = this.#answered
    const before = this.#state
    for (let at = entry; answered.isCall(at); at = answered.next(at)) {
      const after = this.#after(answered.call(at))
      if (after === undefined) continue
      if (this.#try({ entry: at, open: -1, before, sure: false }, after)) return true
    }
    // What begins after the first return that is left must wait for that call.
    const limitMs = answered.firstReturnMs()
    for (let i = open; i < this.#open.count && this.#open.call(i).startMs <= limitMs; i++) {
      const after = this.#open.mayGo(i) ? this.#after(this.#open.call(i)) : undefined
      if (after === undefined) continue
      if (this.#try({ entry: -1, open: i, before, sure: false }, after)) return true
    }
    return false
  }

  #after({ input, output }: Call<Input, Output>): number | undefined {
    this.#steps++
    return this.#model.step(this.#state, input, output)
  }

  /** False when the same calls have made the same state before. */
  #try(frame: Frame, after: number): boolean {
    this.#toggle(frame)
    if (!this.#seen.add(after)) {
      this.#toggle(frame)
      return false
    }
    if (frame.entry >= 0) this.#answered.lift(frame.entry)
    else this.#open.lift(frame.open)
    this.#frames.push(frame)
    this.#state = after
    return true
  }

  #undo(frame: Frame): void {
    this.#toggle(frame)
    if (frame.entry >= 0) this.#answered.unlift(frame.entry)
    else this.#open.unlift(frame.open)
    this.#state = frame.before
  }

  #toggle({ entry, open }: Frame): void {
    this.#seen.toggle(entry >= 0 ? this.#answered.number(entry) : this.#answered.count + open)
  }

  #note(): void {
    if (this.#frames.length <= this.#longest) return
    this.#longest = this.#frames.length
    this.#stuck = this.#answered.untilFirstReturn()
  }
}

/**
 * Calls and returns of answered calls in order of time, as a list that a call and its return can be
 * taken out of and put back into at once (Wing and Gong's). Place 0 is the head of the list.
 */
class Entries<C extends { readonly startMs: number; readonly endMs: number }> {
  readonly end: number
  readonly #calls: readonly C[]
  /** Number of the call of each place; its return stands at `#returnOf`. */
  readonly #number: Int32Array
  readonly #isCall: Uint8Array
  readonly #returnOf: Int32Array
  readonly #next: Int32Array
  readonly #previous: Int32Array

  constructor(calls: readonly C[]) {
    this.#calls = calls
    const events = calls.flatMap(({ startMs, endMs }, number) => [
      { atMs: startMs, number, isCall: 1 },
      { atMs: endMs, number, isCall: 0 },
    ])
    // At the same moment calls come first: then the two overlap, and either order will do.
    events.sort((a, b) => a.atMs - b.atMs || b.isCall - a.isCall)
    this.end = events.length + 1
    this.#number = new Int32Array(this.end + 1)
    this.#isCall = new Uint8Array(this.end + 1)
    this.#returnOf = new Int32Array(calls.length)
    this.#next = Int32Array.from({ length: this.end + 1 }, (_, i) => i + 1)
    this.#previous = Int32Array.from({ length: this.end + 1 }, (_, i) => i - 1)
    events.forEach(({ number, isCall }, i) => {
      this.#number[i + 1] = number
      this.#isCall[i + 1] = isCall
      if (isCall === 0) this.#returnOf[number] = i + 1
    })
  }

  get count(): number {
    return this.#calls.length
  }

  get first(): number {
    return this.#next[0]!
  }

  get isEmpty(): boolean {
    return this.first === this.end
  }

  next(entry: number): number {
    return this.#next[entry]!
  }

  isCall(entry: number): boolean {
    return this.#isCall[entry] === 1
  }

  number(entry: number): number {
    return this.#number[entry]!
  }

  call(entry: number): C {
    return this.#calls[this.#number[entry]!]!
  }

  firstReturnMs(): number {
    let at = this.first
    while (this.isCall(at)) at = this.next(at)
    return at === this.end ? Number.POSITIVE_INFINITY : this.call(at).endMs
  }

  untilFirstReturn(): C[] {
    const calls: C[] = []
    for (let at = this.first; this.isCall(at); at = this.next(at)) calls.push(this.call(at))
    return calls
  }

  lift(entry: number): void {
    this.#unlink(entry)
    this.#unlink(this.#returnOf[this.#number[entry]!]!)
  }

  /** In the reverse order of `lift`. */
  unlift(entry: number): void {
    this.#link(this.#returnOf[this.#number[entry]!]!)
    this.#link(entry)
  }

  #unlink(at: number): void {
    this.#next[this.#previous[at]!] = this.#next[at]!
    this.#previous[this.#next[at]!] = this.#previous[at]!
  }

  #link(at: number): void {
    this.#next[this.#previous[at]!] = at
    this.#previous[this.#next[at]!] = at
  }
}

/**
 * Calls without an answer. Of those named alike the first goes first: whatever a later one could
 * do, it can, and there is no end that would tell them apart.
 */
class OpenCalls<C extends { readonly name: string; readonly startMs: number }> {
  readonly #calls: readonly C[]
  /** Place of the one before it that is named alike; -1: none. */
  readonly #before: readonly number[]
  readonly #gone: Uint8Array

  constructor(calls: readonly C[]) {
    this.#calls = calls.toSorted((a, b) => a.startMs - b.startMs)
    const last = new Map<string, number>()
    this.#before = this.#calls.map(({ name }, i) => {
      const before = last.get(name) ?? -1
      last.set(name, i)
      return before
    })
    this.#gone = new Uint8Array(calls.length)
  }

  get count(): number {
    return this.#calls.length
  }

  call(i: number): C {
    return this.#calls[i]!
  }

  mayGo(i: number): boolean {
    const before = this.#before[i]!
    return this.#gone[i] === 0 && (before < 0 || this.#gone[before] === 1)
  }

  lift(i: number): void {
    this.#gone[i] = 1
  }

  unlift(i: number): void {
    this.#gone[i] = 0
  }
}

/**
 * Sets of calls with the state they made, as 64 random bits a call, combined by exclusive or
 * (Zobrist's): two sets fall together once in 2^64, and then a good history may look bad, never a
 * bad one good.
 */
class Seen {
  readonly #high: Int32Array
  readonly #low: Int32Array
  readonly #seen = new Set<string>()
  #atHigh = 0
  #atLow = 0

  constructor(answered: number, open: number) {
    const random = seededRandom(answered)
    this.#high = bits(random, answered + open)
    this.#low = bits(random, answered + open)
  }

  /** Puts call `number` into the set, or takes it out. */
  toggle(number: number): void {
    this.#atHigh ^= this.#high[number]!
    this.#atLow ^= this.#low[number]!
  }

  /** False when it was there. */
  add(state: number): boolean {
    const key = `${this.#atHigh},${this.#atLow},${state}`
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }
}

function bits(random: Random, count: number): Int32Array {
  return Int32Array.from({ length: count }, () => randomInt(random, 2 ** 32))
}
