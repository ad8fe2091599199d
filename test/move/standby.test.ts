import t from 'tap'
import { Standby } from '../../src/move/standby.ts'
import { StandbyFeed } from '../../src/move/standby-feed.ts'
import type { ToStandby } from '../../src/move/standby-messages.ts'
import { type Random, seededRandom } from '../../src/world.ts'

const hash = (name: string, value: Uint8Array): number =>
  name.charCodeAt(0) * 1_000 + (value[0] ?? 0) * 7 + 1
const NAMES = 'a b c d e f g h'.split(' ')
const SEEDS = 2_000
const STEPS = 60
const WRITTEN = { committed: 4, version: 2 }

type State = Map<string, number>
type Heard = Extract<ToStandby, { type: 'sections' | 'changes' | 'copied' }>

/** An owner, its store and its standby, with a queue of messages between the two. */
class Pair {
  readonly feed: StandbyFeed
  readonly standby = new Standby({ worker: 'c/k', epoch: 3 }, hash)
  readonly #random: Random
  readonly #state: State
  /** What the store has after each turn. */
  readonly #history: State[] = []
  readonly #wire: Heard[] = []
  #toCopy = [...NAMES]
  #seq = 0
  committed = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.feed = new StandbyFeed(
      { stream: 1, worker: 'c/k', from: 'n1', epoch: 3, stateBytes: 8 },
      hash,
    )
    this.#state = new Map(NAMES.filter(() => this.#random.next() < 0.5).map((name) => [name, 1]))
    this.#history.push(new Map(this.#state))
    this.feed.accepted()
  }

  step(): void {
    const draw = this.#random.next()
    if (draw < 0.35) this.#turn()
    else if (draw < 0.55) this.#copy()
    else if (draw < 0.75) this.committed = Math.min(this.#seq, this.committed + 1)
    else this.deliver(1 + Math.floor(this.#random.next() * 4))
  }

  /** Undefined, or why the standby gave up. */
  deliver(count: number): void {
    for (const message of this.#wire.splice(0, count)) {
      const why = this.standby.hear(message)
      if (why !== undefined) throw new Error(why)
    }
  }

  settle(): void {
    while (!this.feed.isLive) this.#copy()
    this.committed = this.#seq
    this.deliver(Number.POSITIVE_INFINITY)
  }

  /** The state at hand for the turn that the store has, beside what the store has. */
  failover(): { found: State | undefined; wanted: State } {
    const state = this.standby.at(3, this.committed)
    const found = state && new Map(Array.from(state.sections, ([name, value]) => [name, value[0]!]))
    return { found, wanted: this.#history[this.committed]! }
  }

  get #written() {
    return { committed: this.committed, version: 1 }
  }

  #turn(): void {
    const set = NAMES.filter(() => this.#random.next() < 0.2)
    const remove = NAMES.filter(
      (name) => !set.includes(name) && this.#state.has(name) && this.#random.next() < 0.1,
    )
    this.#seq++
    for (const name of set) this.#state.set(name, Math.floor(this.#random.next() * 256))
    for (const name of remove) this.#state.delete(name)
    this.#history.push(new Map(this.#state))
    const changes = { set: set.map((name) => this.#section(name)), remove }
    this.#wire.push(this.feed.turn(this.#seq, this.#written, changes) as Heard)
  }

  #copy(): void {
    if (this.feed.isLive) return
    const name = this.#toCopy.shift()
    if (name === undefined) this.#wire.push(this.feed.copied(this.#seq, this.#written) as Heard)
    else if (this.#state.has(name) && !this.feed.hasSent(name)) {
      this.#wire.push(this.feed.sections(this.#seq, [this.#section(name)]) as Heard)
    }
  }

  #section(name: string): { name: string; value: Uint8Array } {
    return { name, value: Uint8Array.of(this.#state.get(name)!) }
  }
}

t.test('a standby has exactly the state of the store, or none', async (t) => {
  let used = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const pair = new Pair(seed)
    try {
      for (let step = 0; step < STEPS; step++) pair.step()
      const { found, wanted } = pair.failover()
      if (!found) continue
      used++
      if (!sameState(found, wanted)) throw new Error('another state than the store has')
    } catch (error) {
      t.fail(`seed ${seed}: ${(error as Error).message}`)
      return
    }
  }
  t.ok(used > SEEDS / 10, `${used} failovers found their state at hand`)
})

t.test('when all was heard and committed it is at hand', async (t) => {
  const missed: number[] = []
  for (let seed = 1; seed <= 200; seed++) {
    const pair = new Pair(seed)
    for (let step = 0; step < STEPS; step++) pair.step()
    pair.settle()
    const { found, wanted } = pair.failover()
    if (!found || !sameState(found, wanted)) missed.push(seed)
  }
  t.same(missed, [])
})

t.test('what is out of step or of another epoch is of no use', async (t) => {
  const feed = new StandbyFeed(
    { stream: 1, worker: 'c/k', from: 'n1', epoch: 3, stateBytes: 1 },
    hash,
  )
  t.equal(feed.turn(1, WRITTEN, { set: [], remove: [] }), undefined, 'not before it agreed')
  feed.accepted()
  const standby = new Standby({ worker: 'c/k', epoch: 3 }, hash)
  t.equal(standby.hear(feed.copied(4, WRITTEN) as Heard), undefined)
  t.same(standby.at(3, 4), { sections: new Map(), version: 2 })
  t.equal(standby.at(4, 4), undefined, 'another epoch')
  t.equal(standby.at(3, 5), undefined, 'a turn that it has not heard of')
  feed.turn(5, WRITTEN, { set: [{ name: 'a', value: Uint8Array.of(1) }], remove: [] })
  const late = feed.turn(6, WRITTEN, { set: [], remove: [] }) as Heard
  t.match(standby.hear(late), /turn 6 came after turn 4/)
})

t.test('a copy that differs is found by its digest', async (t) => {
  const feed = new StandbyFeed(
    { stream: 1, worker: 'c/k', from: 'n1', epoch: 3, stateBytes: 1 },
    hash,
  )
  feed.accepted()
  const standby = new Standby({ worker: 'c/k', epoch: 3 }, hash)
  feed.sections(4, [{ name: 'a', value: Uint8Array.of(1) }])
  t.match(standby.hear(feed.copied(4, WRITTEN) as Heard), /not the state after turn 4/)
})

function sameState(a: State, b: State): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value)
}
