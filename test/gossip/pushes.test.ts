import t from 'tap'
import { Bench, claim, LOAD } from './helpers.ts'

/** n1 of forty that it knows, with a load; nothing but pushes is sent. */
function bench(): Bench {
  const rare = { probeIntervalMs: 1e9, gossipIntervalMs: 1e9, syncIntervalMs: 1e9 }
  const made = new Bench(40, { ...rare, pushFanout: 4, pushIntervalMs: 1_000 })
  made.handle({ type: 'start' })
  for (let i = 2; i <= 40; i++) made.hear(`n${i}`)
  made.pass(2e3)
  made.handle({ type: 'load', load: LOAD })
  made.pass(10_000)
  return made
}

const hearers = (made: Bench): string[] =>
  made
    .pass(1_000)
    .filter(({ packet }) => !packet.probe && packet.loads.some(({ id }) => id === 'n1'))
    .map(({ to }) => to)

t.test('a few hear the own load every time, one of them is another each time', async (t) => {
  const made = bench()
  const all = new Set<string>()
  let before = hearers(made)
  for (let round = 0; round < 60; round++) {
    made.handle({ type: 'load', load: LOAD })
    const now = hearers(made)
    t.equal(now.length, 4)
    t.equal(now.filter((id) => before.includes(id)).length, 3)
    for (const id of now) all.add(id)
    before = now
  }
  t.ok(all.size > 25, `${all.size} of 39`)
})

t.test('not those that are gone; urgent loads do not wait', async (t) => {
  const made = bench()
  const [gone] = hearers(made)
  made.hear('n2', { claims: [claim(gone!, { state: 'unreachable' })] })
  // What is said of it is told to it too.
  made.pass(5_000)
  t.notOk(hearers(made).includes(gone!))
  made.handle({ type: 'load', load: { ...LOAD, requests: LOAD.requestsMax } })
  const said = made.pass(made.times.newsIntervalMs)
  const told = said.filter(({ packet }) =>
    packet.loads.some(({ id, load }) => id === 'n1' && load.requests === LOAD.requestsMax),
  )
  t.ok(told.length >= 4)
})
