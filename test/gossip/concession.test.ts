import t from 'tap'
import { Concession } from '../../src/gossip/concession.ts'
import { claim } from './helpers.ts'

const INTERVAL_MS = 10
const GOOD = { isolated: false, isAnswered: true }
const BAD = { isolated: true, isAnswered: false }

function said(state: 'suspect' | 'unreachable', version = 1) {
  return { claim: claim('n1', { state, version }), from: 'n2' }
}

/** How long it waits when the link is good from `fromMs` on, in intervals. */
function wait(concession: Concession, fromMs: number): number {
  let nowMs = fromMs
  while (!concession.due(GOOD, nowMs)) nowMs = concession.nextDeadlineMs
  return (nowMs - fromMs) / INTERVAL_MS
}

t.test('a suspicion is contradicted at once, a verdict when the link has held', async (t) => {
  const concession = new Concession({ intervalMs: INTERVAL_MS })
  concession.note(said('suspect'), 0)
  t.equal(concession.due(BAD, 1), undefined)
  t.equal(wait(concession, 5), 0)
  concession.note(said('unreachable'), 10)
  t.equal(concession.due(GOOD, 20), undefined)
  t.equal(concession.due(BAD, 100), undefined, 'the link is gone again')
  t.equal(wait(concession, 1_000), 25, 'and it counts from when it is back')
})

t.test('longer each time, with an end; forgotten after long', async (t) => {
  const concession = new Concession({ intervalMs: INTERVAL_MS })
  const waits: number[] = []
  let nowMs = 0
  for (let i = 1; i <= 5; i++) {
    concession.note(said('unreachable', i), nowMs)
    waits.push(wait(concession, nowMs))
    nowMs += 2_000
  }
  t.same(waits, [25, 50, 100, 120, 120])
  nowMs += 1_000 * INTERVAL_MS
  concession.note(said('unreachable', 9), nowMs)
  t.equal(wait(concession, nowMs), 25)
})

t.test('a suspicion that becomes a verdict waits like one', async (t) => {
  const concession = new Concession({ intervalMs: INTERVAL_MS })
  concession.note(said('suspect'), 0)
  concession.note(said('unreachable'), 1)
  concession.note(said('suspect'), 2)
  t.equal(concession.isOpen, true)
  t.equal(wait(concession, 10), 25)
})

t.test('the last ones of a cluster that is dead find each other', async (t) => {
  const concession = new Concession({ intervalMs: INTERVAL_MS })
  concession.note(said('unreachable'), 0)
  const link = { isolated: true, isAnswered: true }
  t.equal(concession.due(link, 0), undefined)
  t.equal(concession.due(link, 119 * INTERVAL_MS), undefined)
  t.ok(concession.due(link, 120 * INTERVAL_MS))
})
