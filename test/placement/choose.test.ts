import t from 'tap'
import { choose } from '../../src/placement/choose.ts'
import { WORKER_DEMAND } from '../../src/placement/cost.ts'
import { seededRandom } from '../../src/world.ts'
import { candidate } from './loads.ts'

const options = { random: seededRandom(1), sample: 3, nMachines: 3 }
const three = [candidate('a', { cpu: 3 }), candidate('b', { cpu: 1 }), candidate('c', { cpu: 2 })]

t.test('the cheapest of those compared', async (t) => {
  const { chosen, costs } = choose(three, WORKER_DEMAND, options)
  t.equal(chosen, 'b')
  t.same(
    costs.map((cost) => cost.id),
    ['b', 'c', 'a'],
  )
  t.ok(costs[0]!.marginal < costs[1]!.marginal && costs[0]!.cost < costs[1]!.cost)
})

t.test('none, or all excluded', async (t) => {
  t.same(choose([], WORKER_DEMAND, options), { chosen: undefined, costs: [] })
  const { chosen, costs } = choose(three, WORKER_DEMAND, {
    ...options,
    refused: new Map([['b', 'it drains']]),
    excluded: (id) => (id === 'b' ? 'cordoned' : 'draining'),
  })
  t.equal(chosen, undefined)
  t.same(
    costs.map(({ id, excluded }) => [id, excluded]),
    [
      ['a', 'draining'],
      ['b', 'refused: it drains'],
      ['c', 'draining'],
    ],
  )
})

t.test('the excluded cheapest is told with the reason, the next is taken', async (t) => {
  const excluded = (id: string): string | undefined => (id === 'b' ? 'no room' : undefined)
  const { chosen, costs } = choose(three, WORKER_DEMAND, { ...options, excluded })
  t.equal(chosen, 'c')
  t.match(costs.at(-1), { id: 'b', excluded: 'no room' })
})

t.test('the local node when it is as cheap as any, though it was not drawn', async (t) => {
  const many = Array.from({ length: 50 }, (_, i) => candidate(`n${i}`))
  for (let i = 0; i < 20; i++) {
    t.equal(choose(many, WORKER_DEMAND, { ...options, local: 'n7' }).chosen, 'n7')
  }
  const busy = many.map((other) => (other.id === 'n7' ? candidate('n7', { cpu: 1 }) : other))
  t.not(choose(busy, WORKER_DEMAND, { ...options, local: 'n7' }).chosen, 'n7')
})

t.test('ties fall by chance, only a few are compared', async (t) => {
  const many = Array.from({ length: 20 }, (_, i) => candidate(`n${i}`))
  const seen = new Set<string | undefined>()
  for (let i = 0; i < 400; i++) {
    const { chosen, costs } = choose(many, WORKER_DEMAND, options)
    t.equal(costs.length, 3)
    seen.add(chosen)
  }
  t.equal(seen.size, 20)
})

t.test('a newcomer in old news is not the favourite that it is in fresh ones', async (t) => {
  const fresh = [candidate('new'), candidate('b', { cpu: 1 }), candidate('c', { cpu: 1.2 })]
  t.equal(choose(fresh, WORKER_DEMAND, options).chosen, 'new')
  const sent = [{ ...fresh[0]!, sentSince: 400 }, ...fresh.slice(1)]
  t.not(choose(sent, WORKER_DEMAND, options).chosen, 'new', 'own work sent counts')
})

t.test('drawn to what it is near, as far as half a machine is worth', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => candidate(`m${i}`, { cpu: 1 }))
  const near = (cpu: number) =>
    choose([...many, candidate('near', { cpu })], WORKER_DEMAND, {
      ...options,
      nMachines: 41,
      affinity: { near: ['near'] },
    })
  const { chosen, costs } = near(3)
  t.equal(chosen, 'near', 'chance alone would seldom have looked at it')
  t.ok(costs.find(({ id }) => id !== 'near')!.place! > 5, 'what it costs to be far is told')
  const dear = { ...WORKER_DEMAND, cpu: 1 }
  const full = [...many, candidate('near', { cpu: 4, memoryBytes: 9e8 })]
  const affinity = { near: ['near'] }
  t.not(choose(full, dear, { ...options, nMachines: 41, affinity }).chosen, 'near')
})

t.test('apart from its like, and never where it must not be', async (t) => {
  const others = (id: string): number => (id === 'b' ? 2 : id === 'c' ? 1 : 3)
  t.equal(choose(three, WORKER_DEMAND, { ...options, affinity: { others } }).chosen, 'c')
  const whyNot = (id: string): string | undefined => (id === 'a' ? undefined : 'pinned to a')
  const { chosen, costs } = choose(three, WORKER_DEMAND, { ...options, affinity: { whyNot } })
  t.equal(chosen, 'a')
  t.equal(costs.find(({ id }) => id === 'b')!.excluded, 'pinned to a')
})

t.test('short of memory: only when all are, and never to the last byte', async (t) => {
  const memory = (a: number, b: number, c: number) =>
    choose(
      [
        candidate('a', { memoryBytes: a * 1e9 }),
        candidate('b', { memoryBytes: b * 1e9, cpu: 3.9 }),
        candidate('c', { memoryBytes: c * 1e9 }),
      ],
      { ...WORKER_DEMAND, memoryBytes: 1e7 },
      options,
    )
  const { chosen, costs } = memory(0.85, 0.5, 0.94)
  t.equal(chosen, 'b', 'however busy it is')
  t.match(costs.slice(1), [{ excluded: 'no memory' }, { excluded: 'no memory' }])
  t.equal(memory(0.85, 0.95, 0.94).chosen, 'a', 'the one that it leaves most')
  t.equal(memory(0.95, 0.97, 0.96).chosen, undefined)
  const sent = { ...candidate('a', { memoryBytes: 7e8 }), sentSince: 10 }
  const demand = { ...WORKER_DEMAND, memoryBytes: 1e7 }
  const both = [sent, candidate('b', { memoryBytes: 7e8, cpu: 3 })]
  t.equal(choose(both, demand, options).chosen, 'b', 'what was sent there takes room')
})
