import t from 'tap'
import { marginalCost, meanLoad, REQUEST_DEMAND, scaleOf } from '../../src/placement/cost.ts'
import { RequestChooser } from '../../src/placement/request-chooser.ts'
import { RequestPrices } from '../../src/placement/request-prices.ts'
import { type Random, randomInt, seededRandom } from '../../src/world.ts'
import { load } from './loads.ts'

type Load = ReturnType<typeof load>

const LIMITS = { candidates: 3, inFlightMax: 1_000, slowStartMs: 1 }

/** A chooser by prices, and its methods at a time at which nothing has got old. */
function chooserOf(prices: RequestPrices, random: Random, candidates = 3) {
  const chooser = new RequestChooser(
    { random, prices },
    { capacity: prices.capacity },
    { ...LIMITS, candidates },
  )
  return {
    chooser,
    choose: (avoid?: ReadonlySet<number>) =>
      chooser.choose(prices.open, prices.openCount, 0, avoid),
    marginal: (slot: number) => chooser.marginal(slot, prices),
    sent: (slot: number) => chooser.sent(slot, 0),
    /** Answered as fast as all are. */
    ended: (slot: number) => {
      chooser.answered(slot, 0, 10, 1)
      chooser.done(slot, 0)
    },
  }
}

function board(loads: readonly Load[]): {
  prices: RequestPrices
  tell: (news: number, ageMs?: number) => void
} {
  const buffer = new SharedArrayBuffer(RequestPrices.byteLength(loads.length))
  const prices = new RequestPrices(buffer, loads.length)
  const tell = (news: number, ageMs = 0): void => {
    const mean = meanLoad(loads)!
    loads.forEach((load, slot) => {
      prices.write(slot, load, { ageMs, mean, nMachines: loads.length, repel: 1, news })
    })
  }
  tell(1)
  prices.setOpen(loads.map((_, slot) => slot))
  return { prices, tell }
}

t.test('agrees with the marginal cost', async (t) => {
  const loads = [load(), load({ cpu: 3 }), load({ requests: 60 }), load({ memoryBytes: 9e8 })]
  const { prices } = board(loads)
  const chooser = chooserOf(prices, seededRandom(1), 4)
  loads.forEach((load, slot) => {
    for (const sentSince of [0, 1, 20]) {
      const exact = marginalCost(
        { id: 'x', load, loadAgeMs: 0, sentSince, repel: 1 },
        REQUEST_DEMAND,
        loads.length,
        scaleOf(loads),
      )
      const priced = chooser.marginal(slot)
      t.ok(Math.abs(priced / exact - 1) < 0.05, `slot ${slot}, ${sentSince} sent: ${priced}`)
      for (let i = sentSince; i < (sentSince === 0 ? 1 : 20); i++) chooser.sent(slot)
    }
  })
  t.equal(chooser.choose(), 0)
})

t.test('none open; none left to try', async (t) => {
  const { prices } = board([load(), load()])
  const chooser = chooserOf(prices, seededRandom(1), 3)
  t.equal(chooser.choose(new Set([0])), 1)
  t.equal(chooser.choose(new Set([0, 1])), -1)
  prices.setOpen([])
  t.equal(chooser.choose(), -1)
  t.equal(chooser.choose(new Set([0])), -1)
})

t.test('own requests count until the news knows of them', async (t) => {
  const loads = [load({ requests: 5 }), load({ requests: 10 })]
  const { prices, tell } = board(loads)
  const chooser = chooserOf(prices, seededRandom(1), 2)
  t.equal(chooser.choose(), 0)
  const idle = chooser.marginal(0)
  for (let i = 0; i < 40; i++) chooser.sent(0)
  t.equal(chooser.choose(), 1)
  t.ok(chooser.marginal(0) > chooser.marginal(1))
  loads[0] = load({ requests: 8 })
  tell(2)
  t.ok(chooser.marginal(0) < chooser.marginal(1), 'the news has counted what was in flight')
  for (let i = 0; i < 40; i++) chooser.ended(0)
  t.ok(chooser.marginal(0) < idle)
  t.equal(chooser.chooser.loads.inFlight[0], 0)
})

t.test('an idle cluster is used evenly', async (t) => {
  const { prices } = board(Array.from({ length: 10 }, () => load()))
  const chooser = chooserOf(prices, seededRandom(3), 3)
  const counts = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 1_000; i++) {
    const slot = chooser.choose()
    counts[slot]! += 1
    chooser.sent(slot)
  }
  for (const count of counts) t.ok(count >= 95 && count <= 105, `${count} of 1000`)
})

/**
 * Several shards send requests to servers on news that is old: the 99th percentile over time and
 * servers of the queue length. Virtual time in steps; service times are exponential.
 */
function p99Queue(seed: number, pick: 'ours' | 'random' | 'least-loaded'): number {
  const random = seededRandom(seed)
  const nodes = 30
  const queues = Array.from({ length: nodes }, () => 0)
  const loads = queues.map(() => load())
  const { prices, tell } = board(loads)
  const shards = Array.from({ length: 4 }, () => {
    const chooser = chooserOf(prices, random)
    return { chooser, sentTo: Array.from({ length: nodes }, () => 0) }
  })
  const lengths: number[] = []
  for (let step = 0; step < 4_000; step++) {
    // News of all every 40 steps: a request takes 10 in the mean, so it gets four services old.
    if (step % 40 === 0) {
      queues.forEach((length, i) => {
        loads[i] = load({ requests: length, cpu: Math.min(4, length) })
      })
    }
    // A step is 10 ms; prices are written anew every 100 ms as the news gets older.
    if (step % 10 === 0) tell(2 + Math.floor(step / 40), (step % 40) * 10)
    for (let arrival = 0; arrival < 10; arrival++) {
      const shard = shards[randomInt(random, shards.length)]!
      const slot = pickSlot(pick, shard.chooser, loads, random)
      shard.chooser.sent(slot)
      shard.sentTo[slot]! += 1
      queues[slot]! += 1
    }
    for (let i = 0; i < nodes; i++) {
      for (let core = Math.min(4, queues[i]!); core > 0; core--) {
        if (random.next() >= 0.1) continue
        queues[i]! -= 1
        const owners = shards.filter((shard) => shard.sentTo[i]! > 0)
        const owner = owners[randomInt(random, owners.length)]!
        owner.sentTo[i]! -= 1
        owner.chooser.ended(i)
      }
      if (step > 400) lengths.push(queues[i]!)
    }
  }
  lengths.sort((a, b) => a - b)
  return lengths[Math.floor(lengths.length * 0.99)]!
}

function pickSlot(
  pick: string,
  chooser: ReturnType<typeof chooserOf>,
  loads: readonly Load[],
  random: Random,
): number {
  if (pick === 'ours') return chooser.choose()
  if (pick === 'random') return randomInt(random, loads.length)
  let best = 0
  loads.forEach((load, i) => {
    if (load.requests < loads[best]!.requests) best = i
  })
  return best
}

t.test('on old news: no herd, and better than chance', async (t) => {
  for (const seed of [1, 2, 3]) {
    const ours = p99Queue(seed, 'ours')
    const random = p99Queue(seed, 'random')
    const least = p99Queue(seed, 'least-loaded')
    t.ok(ours <= random, `seed ${seed}: p99 queue ${ours}, by chance ${random}`)
    t.ok(ours < least, `seed ${seed}: p99 queue ${ours}, least loaded ${least}`)
  }
})
