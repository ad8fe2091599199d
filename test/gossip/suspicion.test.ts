import t from 'tap'
import { remainingMs, Suspicion, shortestMs, suspicionTimes } from '../../src/gossip/suspicion.ts'

t.test('time that remains (memberlist TestSuspicion_remainingSuspicionTime)', async (t) => {
  const times = { minMs: 2_000, maxMs: 30_000, confirmations: 3 }
  for (const [confirmed, elapsedMs, expected] of [
    [0, 0, 30_000],
    [1, 2_000, 14_000],
    [2, 3_000, 4_810],
    [3, 4_000, -2_000],
    [4, 5_000, -3_000],
    [5, 10_000, -8_000],
  ] as const) {
    t.equal(remainingMs(times, confirmed, elapsedMs), expected, `${confirmed} confirmed`)
  }
})

t.test('shortest suspicion (memberlist TestSuspicionTimeout)', async (t) => {
  for (const [n, expected] of [
    [5, 1_000],
    [10, 1_000],
    [50, 1_698],
    [100, 2_000],
    [500, 2_698],
    [1_000, 3_000],
  ] as const) {
    t.equal(shortestMs(3, n, 1_000) / 3, expected, `${n} members`)
  }
})

t.test('suspicion among few and with confirmations (Suspect_Dogpile)', async (t) => {
  const preset = { suspicionMult: 5, suspicionMaxMult: 2, confirmations: 3, probeIntervalMs: 100 }
  for (const [n, confirmed, expected] of [
    [2, 0, 500],
    [3, 0, 500],
    [4, 0, 500],
    [5, 0, 1_000],
    [6, 0, 1_000],
    [6, 1, 750],
    [6, 2, 604],
    [6, 3, 500],
    [6, 4, 500],
  ] as const) {
    const suspicion = new Suspicion(suspicionTimes(preset, n), 0, 'n2')
    for (let i = 0; i < confirmed; i++) suspicion.confirm(`c${i}`)
    // 603.8 by the formula: memberlist's table rounds up, its code down.
    const off = Math.abs(suspicion.deadlineMs - expected)
    t.ok(off <= 1, `${n} members, ${confirmed} confirmations: ${suspicion.deadlineMs} ms`)
  }
})

t.test('an accuser counts once, and no more than are needed', async (t) => {
  const suspicion = new Suspicion({ minMs: 500, maxMs: 2_000, confirmations: 3 }, 0, 'n2')
  t.equal(suspicion.confirm('n2'), false)
  const deadlines = ['n3', 'n3', 'n4', 'n5', 'n6'].map((accuser) => {
    const counted = suspicion.confirm(accuser)
    return [counted, suspicion.deadlineMs]
  })
  t.same(deadlines, [
    [true, 1_250],
    [false, 1_250],
    [true, 811],
    [true, 500],
    [false, 500],
  ])
  t.same(suspicion.accusers, ['n2', 'n3', 'n4', 'n5'])
})

t.test('a pause of our own postpones it', async (t) => {
  const suspicion = new Suspicion({ minMs: 500, maxMs: 2_000, confirmations: 0 }, 100, 'n2')
  suspicion.postpone(1_000)
  t.equal(suspicion.deadlineMs, 1_600)
})
