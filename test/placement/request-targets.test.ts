import t from 'tap'
import { FULL, NO_TARGET, RequestChooser } from '../../src/placement/request-chooser.ts'
import { type Random, seededRandom } from '../../src/world.ts'

const LIMITS = { candidates: 64, inFlightMax: 512, slowStartMs: 10_000 }

/** Targets that answer after a time of their own, in virtual time; one request every `everyMs`. */
class Targets {
  readonly chooser: RequestChooser
  readonly sentTo: number[]
  nowMs = 0
  readonly #open: Int32Array
  readonly #everyMs: number
  readonly #random: Random
  #flying: { slot: number; sentMs: number; found: number; endMs: number; failed: boolean }[] = []

  constructor(count: number, everyMs: number, limits = LIMITS) {
    this.#random = seededRandom(5)
    this.chooser = new RequestChooser({ random: this.#random }, { capacity: count }, limits)
    this.sentTo = Array.from({ length: count }, () => 0)
    this.#open = Int32Array.from({ length: count }, (_, i) => i)
    this.#everyMs = everyMs
  }

  pick(avoid?: ReadonlySet<number>): number {
    return this.chooser.choose(this.#open, this.#open.length, this.nowMs, avoid)
  }

  /** `msOf` a slot: how long it takes; negative: it fails after so long. Counts anew. */
  run(forMs: number, msOf: (slot: number) => number): void {
    this.sentTo.fill(0)
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; this.nowMs += this.#everyMs) {
      this.#land()
      const slot = this.pick()
      this.sentTo[slot]! += 1
      const ms = msOf(slot)
      const found = this.chooser.sent(slot, this.nowMs)
      const took = Math.abs(ms) * (0.5 + this.#random.next())
      const { nowMs: sentMs } = this
      this.#flying.push({ slot, sentMs, found, endMs: sentMs + took, failed: ms < 0 })
    }
  }

  #land(): void {
    const landed = this.#flying.filter(({ endMs }) => endMs <= this.nowMs)
    this.#flying = this.#flying.filter(({ endMs }) => endMs > this.nowMs)
    for (const { slot, sentMs, found, failed } of landed) {
      if (failed) this.chooser.failed(slot, sentMs, this.nowMs)
      else this.chooser.answered(slot, sentMs, this.nowMs, found)
      this.chooser.done(slot, this.nowMs)
    }
  }
}

t.test('one that fails fast gets no tenth of its share within a second', async (t) => {
  const targets = new Targets(16, 1)
  targets.run(5_000, () => 20)
  targets.run(1_000, (slot) => (slot === 3 ? -1 : 20))
  t.ok(targets.sentTo[3]! <= 1_000 / 16 / 2, `${targets.sentTo[3]} in the first second`)
  targets.run(5_000, (slot) => (slot === 3 ? -1 : 20))
  const asked = targets.sentTo[3]!
  t.ok(asked > 0, 'it is probed')
  t.ok(asked <= 5_000 / 16 / 10, `${asked} of 5000`)
  targets.run(20_000, () => 20)
  targets.run(2_000, () => 20)
  t.ok(targets.sentTo[3]! > 60, `well again it has ${targets.sentTo[3]} of 2000`)
})

t.test('a failure now and then changes little', async (t) => {
  const targets = new Targets(4, 2)
  const random = seededRandom(9)
  targets.run(20_000, () => (random.next() < 0.03 ? -20 : 20))
  for (const sent of targets.sentTo) t.ok(sent > 1_250, `${sent} of 10000`)
})

t.test('three times as fast, about three times as many; a slow one is asked again', async (t) => {
  const targets = new Targets(4, 1)
  targets.run(5_000, (slot) => (slot === 0 ? 90 : 30))
  const [slow, ...fast] = targets.sentTo
  for (const sent of fast) t.ok(sent > 1.5 * slow!, `${sent} and ${slow}`)
  targets.run(30_000, () => 30)
  targets.run(4_000, () => 30)
  t.ok(targets.sentTo[0]! > 700, `as fast as the others it has ${targets.sentTo[0]} of 4000`)
})

t.test('one that answers nothing gets few, however fast it was', async (t) => {
  const targets = new Targets(4, 2)
  targets.run(4_000, (slot) => (slot === 0 ? 5 : 20))
  targets.run(4_000, (slot) => (slot === 0 ? 1e9 : 20))
  t.ok(targets.sentTo[0]! < 2_000 / 4 / 10, `${targets.sentTo[0]} of 2000`)
})

t.test('a newcomer gets more and more', async (t) => {
  const targets = new Targets(8, 1)
  targets.run(12_000, () => 40)
  targets.chooser.renew(2)
  const shares: number[] = []
  for (let second = 0; second < 12; second++) {
    targets.run(1_000, () => 40)
    shares.push(targets.sentTo[2]! / (1_000 / 8))
  }
  t.ok(shares[0]! < 0.5, `${shares[0]} at first`)
  t.ok(shares[0]! > 0, 'but not none')
  t.ok(shares[11]! > 0.8, `${shares[11]} in the end`)
})

t.test('what a target tells of its load counts, and fades when it is not asked', async (t) => {
  const targets = new Targets(2, 50)
  targets.run(2_000, () => 20)
  const { chooser } = targets
  for (const slot of [0, 1]) chooser.told(slot, slot === 0 ? 30 : 0, 4, targets.nowMs)
  t.ok(chooser.cost(0, targets.nowMs) > 10 * chooser.cost(1, targets.nowMs))
  t.ok(chooser.cost(0, targets.nowMs) > 2 * chooser.cost(0, targets.nowMs + 5_000))
})

t.test(
  'who was slow for a while is thought to be as usual soon, who always is is not',
  async (t) => {
    const targets = new Targets(8, 4)
    targets.run(20_000, (slot) => (slot === 1 ? 100 : 20))
    targets.run(1_000, (slot) => (slot < 2 ? 100 : 20))
    const { chooser, nowMs } = targets
    const cost = (slot: number, afterMs: number) => chooser.cost(slot, nowMs + afterMs)
    t.ok(cost(0, 0) > 40, `${cost(0, 0)}: slow now`)
    t.ok(cost(0, 4_000) < 0.6 * cost(0, 0), `${cost(0, 4_000)}: it may be over`)
    t.ok(cost(1, 4_000) > 60, `${cost(1, 4_000)}: it is always slow`)
  },
)

t.test('requests that are not answered make their target dearer as they age', async (t) => {
  const targets = new Targets(1, 50)
  targets.run(3_000, () => 20)
  const { chooser, nowMs } = targets
  chooser.told(0, 0, 4, nowMs)
  for (let i = 0; i < 4; i++) chooser.sent(0, nowMs)
  const cost = (afterMs: number) => chooser.cost(0, nowMs + afterMs)
  t.ok(cost(70) > 1.15 * cost(10), `${cost(10)} to ${cost(70)}, though nothing is stuck yet`)
})

t.test('full targets: the request is to wait; none: it cannot', async (t) => {
  const targets = new Targets(2, 1, { ...LIMITS, inFlightMax: 1 })
  const { chooser } = targets
  const first = targets.pick()
  chooser.sent(first, 0)
  const second = targets.pick()
  t.equal(second, 1 - first)
  chooser.sent(second, 0)
  t.equal(targets.pick(), FULL)
  t.equal(targets.pick(new Set([0, 1])), NO_TARGET)
  chooser.done(first, 1)
  t.equal(targets.pick(), first)
})

t.test('an ill one only when there is no other, a full one rather than an ill one', async (t) => {
  const targets = new Targets(3, 1, { ...LIMITS, inFlightMax: 1 })
  const { chooser } = targets
  for (const slot of [0, 1]) chooser.setHealthy(slot, false)
  for (let i = 0; i < 20; i++) t.equal(targets.pick(), 2)
  t.ok(targets.pick(new Set([2])) < 2)
  chooser.sent(2, 0)
  t.equal(targets.pick(), FULL)
})

t.test('of a thousand, all get their share', async (t) => {
  const targets = new Targets(1_000, 0.02)
  targets.run(1_000, () => 20)
  targets.run(1_000, () => 20)
  const least = Math.min(...targets.sentTo)
  const most = Math.max(...targets.sentTo)
  t.ok(least > 25 && most < 100, `from ${least} to ${most}, 50 in the mean`)
})
