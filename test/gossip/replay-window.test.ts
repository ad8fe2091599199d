import t from 'tap'
import { ReplayWindow } from '../../src/gossip/replay-window.ts'
import { randomInt, seededRandom } from '../../src/world.ts'

t.test('each counter is taken once, in any order within the window', async (t) => {
  const window = new ReplayWindow()
  for (const counter of [1, 3, 2, 1_000, 4, 2 ** 47]) t.equal(window.accept(counter), true)
  for (const counter of [1, 3, 1_000, 2 ** 47, 2 ** 47 - 1_056]) {
    t.equal(window.accept(counter), false, `${counter}`)
  }
  t.equal(window.accept(2 ** 47 - 1_000), true)
})

t.test('is as good as remembering everything', async (t) => {
  const random = seededRandom(7)
  const window = new ReplayWindow()
  const seen = new Set<number>()
  let top = 0
  for (let round = 0; round < 20_000; round++) {
    const counter = Math.max(1, top + 40 - randomInt(random, 900))
    const fresh = !seen.has(counter)
    if (window.accept(counter) !== fresh) t.fail(`round ${round}, counter ${counter}`)
    seen.add(counter)
    top = Math.max(top, counter)
  }
  t.ok(seen.size > 1_000)
})
