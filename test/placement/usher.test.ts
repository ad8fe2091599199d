import t from 'tap'
import { Decisions } from '../../src/placement/decisions.ts'
import type { Decision } from '../../src/placement/types.ts'
import { proposeUsher } from '../../src/placement/usher.ts'
import { candidate, movable } from './loads.ts'

const options = { above: 0.9, below: 0.8, movesMax: 10 }
const MB = 1e6

t.test('usher: nothing while memory lasts', async (t) => {
  const workers = [movable('room/a', { memoryBytes: 300 * MB })]
  t.same(
    proposeUsher(candidate('self', { memoryBytes: 900 * MB }), [candidate('b')], workers, options),
    [],
  )
})

t.test('usher: the smallest that cures, to where it fits best', async (t) => {
  const workers = [50, 400, 160, 200].map((mb) => movable(`room/${mb}`, { memoryBytes: mb * MB }))
  const peers = [
    candidate('empty'),
    candidate('fits', { memoryBytes: 600 * MB }),
    candidate('full', { memoryBytes: 700 * MB }),
  ]
  const moves = proposeUsher(candidate('self', { memoryBytes: 950 * MB }), peers, workers, options)
  t.same(
    moves.map(({ worker, to }) => [worker, to]),
    [['room/160', 'fits']],
  )
  t.ok(moves[0]!.givenUp > 0 && moves[0]!.added > 0)
})

t.test('usher: several when none cures alone, no target beyond its mark', async (t) => {
  const workers = [100, 90, 80].map((mb) => movable(`room/${mb}`, { memoryBytes: mb * MB }))
  const peers = [
    candidate('b', { memoryBytes: 650 * MB }),
    candidate('c', { memoryBytes: 700 * MB }),
  ]
  const moves = proposeUsher(
    candidate('self', { memoryBytes: 1_000 * MB }),
    peers,
    workers,
    options,
  )
  t.same(
    moves.map(({ worker, to }) => [worker, to]),
    [
      ['room/100', 'c'],
      ['room/90', 'b'],
    ],
  )
  const held = workers.map((worker) => ({ ...worker, cannotMove: 'pinned' }))
  t.same(proposeUsher(candidate('self', { memoryBytes: 1_000 * MB }), peers, held, options), [])
  const one = { ...options, movesMax: 1 }
  t.equal(
    proposeUsher(candidate('self', { memoryBytes: 1_000 * MB }), peers, workers, one).length,
    1,
  )
})

t.test('usher: also what stays for balance, never to where it must not be', async (t) => {
  const whyNot = (node: string): string | undefined => (node === 'c' ? undefined : 'pinned to c')
  const worker = { ...movable('room/a', { memoryBytes: 200 * MB }), stays: true }
  const pinned = { ...worker, affinity: { whyNot } }
  const self = candidate('self', { memoryBytes: 950 * MB })
  const peers = [candidate('b', { memoryBytes: 500 * MB }), candidate('c')]
  t.match(proposeUsher(self, peers, [worker], options), [{ to: 'b' }])
  const [move] = proposeUsher(self, peers, [pinned], options)
  t.match(move, {
    to: 'c',
    costs: [{ id: 'self' }, { id: 'c' }, { id: 'b', excluded: 'pinned to c' }],
  })
  t.same(proposeUsher(self, [peers[0]!], [pinned], options), [])
})

function decision(subject: string, atMs: number, why: Decision['why'] = 'create'): Decision {
  return { atMs, subject, why, by: 'n1', candidates: [], chosen: 'n1' }
}

t.test('decisions: the last of each worker, the oldest forgotten beyond the bound', async (t) => {
  const decisions = new Decisions({ workersMax: 2, perWorkerMax: 2 })
  decisions.record(decision('counter/a', 1))
  decisions.record(decision('counter/b', 2))
  decisions.record(decision('counter/a', 3, 'rebalance'))
  decisions.record(decision('counter/c', 4))
  t.equal(decisions.last('counter/a')[0]?.atMs, 3)
  t.strictSame(decisions.last('counter/b'), [])
  t.equal(decisions.last('counter/c')[0]?.atMs, 4)
})
