import t from 'tap'
import { walk } from '../../src/sim/walk/walk.ts'

t.test('every order of events of a move with one crash keeps every invariant', async (t) => {
  const { violation, states, ends } = walk({ small: true, duplicates: 0, statesMax: 1_000_000 })
  t.equal(violation, undefined, violation?.way.join('\n') ?? '')
  t.ok(states > 10_000 && ends > 10, `${states} states, ${ends} ends`)
})
