import t from 'tap'
import { Histogram } from '../../../src/sim/histogram.ts'
import { runRequests } from '../../../src/sim/scaling/requests.ts'
import { Server } from '../../../src/sim/scaling/server.ts'
import { runWorkers } from '../../../src/sim/scaling/workers.ts'

const init = { seed: 1, requests: 40_000 }

t.test('quantiles are right to a part in five hundred', async (t) => {
  const histogram = new Histogram()
  for (let i = 1; i <= 1_000; i++) histogram.add(i)
  for (const [part, value] of [
    [0.5, 500],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    t.ok(Math.abs(histogram.quantile(part) / value - 1) < 0.003)
  }
  t.ok(Number.isNaN(new Histogram().quantile(0.5)))
})

t.test('a server serves as many at a time as it has cores, the others in order', async (t) => {
  const server = new Server({ cores: 2, loop: false })
  const served: number[] = []
  for (const id of [1, 2, 3, 4]) server.arrive(0, () => served.push(id))
  t.strictSame([served, server.requests], [[1, 2], 4])
  server.done(10)
  t.strictSame(served, [1, 2, 3])
  t.equal(server.tell(10).cpu, 2)
  server.done(20)
  server.done(20)
  server.done(20)
  t.strictSame([served, server.requests], [[1, 2, 3, 4], 0])
})

t.test('one node is the queue of the textbook: M/M/4', async (t) => {
  // Erlang C at 80 %: 0.596 wait. P(T > t) = 2.98 exp(-40 t) - 1.98 exp(-50 t), 1 % at 137.9 ms.
  const { p99Ms, perNode, refused } = runRequests({
    ...init,
    nodes: 1,
    load: 0.8,
    requests: 400_000,
  })
  t.ok(Math.abs(perNode / 160 - 1) < 0.01, `${perNode} a second`)
  t.ok(Math.abs(p99Ms / 137.9 - 1) < 0.05, `p99 ${p99Ms}`)
  t.equal(refused, 0)
})

t.test('sixteen nodes do sixteen times the work of one, requests and workers', async (t) => {
  for (const [run, load] of [
    [runRequests, 0.9],
    [runWorkers, 0.5],
  ] as const) {
    const one = run({ ...init, nodes: 1, load })
    const many = run({ ...init, nodes: 16, load })
    t.ok(many.perNode / one.perNode > 0.97, `${many.perNode / one.perNode}`)
    t.ok(many.p99Ms < one.p99Ms * 1.2, `p99 ${many.p99Ms} to ${one.p99Ms}`)
    t.strictSame(run({ ...init, nodes: 16, load }), many, 'a run is a function of its seed')
  }
})

t.test('workers thrown anywhere find their places', async (t) => {
  const { moves, refused } = runWorkers({ ...init, nodes: 32, load: 0.5 })
  t.ok(moves > 32 && moves < 32 * 50, `${moves} moves`)
  t.equal(refused, 0)
})
