import t from 'tap'
import { Awareness } from '../../src/gossip/awareness.ts'

t.test('score and stretch (memberlist TestAwareness)', async (t) => {
  const awareness = new Awareness(8)
  for (const [delta, score] of [
    [0, 0],
    [-1, 0],
    [-10, 0],
    [1, 1],
    [-1, 0],
    [10, 7],
    [-1, 6],
    [-1, 5],
    [-1, 4],
    [-1, 3],
    [-1, 2],
    [-1, 1],
    [-1, 0],
    [-1, 0],
  ] as const) {
    awareness.add(delta)
    t.equal(awareness.score, score)
    t.equal(awareness.scale(1_000), (score + 1) * 1_000)
  }
})
