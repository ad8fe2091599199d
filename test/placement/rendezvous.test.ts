import t from 'tap'
import { rendezvous } from '../../src/placement/rendezvous.ts'

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5']
const names = Array.from({ length: 5_000 }, (_, i) => `counter/${i}`)
const pick = (name: string, nodes: readonly string[]) => rendezvous(name, nodes, (node) => node)

t.test('everybody picks the same, whatever the order of the candidates', async (t) => {
  const reversed = NODES.toReversed()
  t.same(
    names.filter((name) => pick(name, NODES) !== pick(name, reversed)),
    [],
  )
  t.equal(pick('counter/1', []), undefined)
})

t.test('names are spread evenly', async (t) => {
  const counts = new Map<string, number>()
  for (const name of names) {
    const node = pick(name, NODES)!
    counts.set(node, (counts.get(node) ?? 0) + 1)
  }
  const share = names.length / NODES.length
  for (const node of NODES) {
    // Five standard deviations of a binomial distribution.
    const spread = 5 * Math.sqrt(share * (1 - 1 / NODES.length))
    t.ok(Math.abs(counts.get(node)! - share) < spread, `${node} has ${counts.get(node)}`)
  }
})

t.test('when a candidate goes only its names get another', async (t) => {
  const rest = NODES.filter((node) => node !== 'n3')
  const moved = names.filter(
    (name) => pick(name, NODES) !== 'n3' && pick(name, NODES) !== pick(name, rest),
  )
  t.same(moved, [])
})
