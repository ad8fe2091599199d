import t from 'tap'
import {
  discounted,
  IO_BYTES_PER_SECOND_MAX,
  machineCost,
  marginalCost,
  meanLoad,
  NEWS_TAU_MS,
  price,
  requestsCapacity,
  scaleOf,
  withDemand,
} from '../../src/placement/cost.ts'
import { candidate, load, NOTHING } from './loads.ts'

t.test('the cost is the sum of n^utilisation over the resources', async (t) => {
  t.equal(machineCost(load(), 3), 7)
  const half = load({
    cpu: 2,
    loop: 0.5,
    memoryBytes: 5e8,
    requests: 500,
    connections: 5_000,
    ioBytesPerSecond: IO_BYTES_PER_SECOND_MAX / 2,
    workers: 8,
  })
  t.ok(
    Math.abs(machineCost(half, 9, { workers: 16, requestsPerCore: 250 }) - 21) < 1e-9,
    'seven times √9',
  )
  t.ok(machineCost(load({ cpu: 4 }), 1) > machineCost(load(), 1), 'one machine has a cost too')
})

t.test('never overflows, never falls, whatever the figures', async (t) => {
  let before = 0
  for (const used of [-5, 0, 1, 4, 31, 32, 33, 100, 1e6, 1e12, 1e300, Number.POSITIVE_INFINITY]) {
    const cost = price(1_000, used, 4)
    t.ok(Number.isFinite(cost) && cost >= before, `${used} costs ${cost}`)
    before = cost
  }
  t.ok(Number.isFinite(price(3, 1, 0)), 'no capacity')
  t.ok(price(3, 1, 0) > 1e6, 'no capacity costs as overload')
  t.ok(Number.isFinite(price(3, Number.NaN, 4)))
})

t.test('marginal cost', async (t) => {
  const demand = { ...NOTHING, cpu: 1 }
  const idle = candidate('a')
  // 4^(1/4) − 4^0, by hand.
  t.ok(Math.abs(marginalCost(idle, demand, 4) - (Math.SQRT2 - 1)) < 1e-12)
  const busy = candidate('b', { cpu: 3 })
  t.ok(marginalCost(busy, demand, 4) > marginalCost(idle, demand, 4), 'rises with use')
  const big = candidate('c', { cpu: 3, cpuCapacity: 64 })
  t.ok(marginalCost(big, demand, 4) < marginalCost(idle, demand, 4), 'falls with size')
  t.equal(
    marginalCost({ ...idle, sentSince: 3 }, demand, 4),
    marginalCost(busy, demand, 4),
    'work sent counts as if it were in the news',
  )
  t.equal(marginalCost({ ...idle, repel: 5 }, demand, 4), 5 * marginalCost(idle, demand, 4))
})

t.test('a nearly full resource outweighs several idle ones', async (t) => {
  const demand = { ...NOTHING, cpu: 0.1, memoryBytes: 5e7 }
  const fullMemory = candidate('a', { memoryBytes: 9.4e8 })
  const evenUse = candidate('b', { memoryBytes: 5e8, cpu: 2 })
  t.ok(marginalCost(evenUse, demand, 10) < marginalCost(fullMemory, demand, 10))
})

t.test('demand can be taken off, not below nothing', async (t) => {
  const demand = { cpu: 1, memoryBytes: 10, requests: 2, connections: 3, workers: 1 }
  t.same(withDemand(withDemand(load(), demand, 2), demand, -2), load())
  t.same(withDemand(load(), demand, -1), load())
})

t.test('old news is drawn towards the mean', async (t) => {
  const busy = load({ cpu: 4, cpuCapacity: 8, workers: 30 })
  const mean = meanLoad([busy, load({ workers: 10 })])!
  t.same(discounted(busy, 0, mean), busy)
  const old = discounted(busy, NEWS_TAU_MS, mean)
  // Mean utilisation ¼: 2 of these 8 cores; mean count 20.
  t.ok(Math.abs(old.cpu - (2 + 2 / Math.E)) < 1e-9)
  t.ok(Math.abs(old.workers - (20 + 10 / Math.E)) < 1e-9)
  t.ok(Math.abs(discounted(busy, 1e9, mean).cpu - 2) < 1e-9)
  t.equal(meanLoad([]), undefined)
})

t.test('memory is not thought to be freer than it was told, however old the news', async (t) => {
  const [full, empty] = [load({ memoryBytes: 9e8 }), load({ memoryBytes: 1e8 })]
  const mean = meanLoad([full, empty])!
  t.equal(discounted(full, 20_000, mean).memoryBytes, 9e8)
  t.ok(Math.abs(discounted(empty, 1e9, mean).memoryBytes - 5e8) < 1, 'but fuller it is')
})

t.test('what is only counted is measured by the largest count', async (t) => {
  const loads = [load({ requests: 40, workers: 200 }), load({ requests: 20, workers: 300 })]
  t.same(scaleOf(loads), { workers: 300, requestsPerCore: 10 })
  t.same(scaleOf([]), { workers: 16, requestsPerCore: 1 })
  t.equal(requestsCapacity(load(), scaleOf(loads)), 40)
  t.equal(requestsCapacity(load({ requestsMax: 30 }), scaleOf(loads)), 30)
})
