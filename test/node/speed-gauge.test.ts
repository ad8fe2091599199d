import t from 'tap'
import { SpeedGauge } from '../../src/node/speed-gauge.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import { realWorld, seededRandom } from '../../src/world.ts'
import { until } from '../helpers/until.ts'

/** Pieces take so long, whatever the machine. */
function gauge(given?: number) {
  const state = { ms: 0.35, pieces: 0, atRest: true, told: [] as number[] }
  const clock = new VirtualClock()
  const work = (): number => {
    // Others get in between: only the fastest counts.
    return state.pieces++ % 10 === 3 ? state.ms : 40 * state.ms
  }
  const made = new SpeedGauge(
    { world: { clock, random: seededRandom(1) }, work },
    { given, isAtRest: () => state.atRest },
    (speed) => state.told.push(speed),
  )
  return { made, clock, state }
}

t.test('the fastest piece counts, in steps', async (t) => {
  const { made, state } = gauge()
  t.equal(made.speed, 1, 'before it is measured')
  state.ms = 0.35 / 1.98
  await made.measure()
  t.equal(made.speed, 2)
  state.ms = 0.35 / 2.06
  await made.measure()
  t.equal(made.speed, 2, 'chance is no change')
  state.ms = 0.35 / 400
  await made.measure()
  t.equal(made.speed, 10, 'bounded')
  t.same(state.told, [2, 10])
})

t.test('measured at the start and again at rest; the best of an hour counts', async (t) => {
  const { made, clock, state } = gauge()
  state.ms = 0.7
  made.start()
  await until('it has measured', () => made.speed === 0.5)
  state.ms = 0.35
  state.atRest = false
  await until('and soon again, also on a busy machine', () => {
    clock.runUntil(clock.nowMs() + 1_000)
    return made.speed === 1
  })
  await until('three times', () => {
    clock.runUntil(clock.nowMs() + 1_000)
    return state.pieces === 300
  })
  state.ms = 3.5
  for (let i = 0; i < 50; i++) {
    clock.runUntil(clock.nowMs() + 100_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(state.pieces, 300, 'not any more while the machine is busy')
  state.atRest = true
  await until('at rest it is', () => {
    clock.runUntil(clock.nowMs() + 1_000)
    return state.pieces > 300
  })
  await until('and that is over', () => state.pieces === 400)
  for (let i = 0; i < 3; i++) await made.measure()
  t.equal(made.speed, 1, 'a busy hour is no slow machine')
  for (let i = 0; i < 2; i++) await made.measure()
  t.equal(made.speed, 0.1, 'but who is slow for longer is')
  made.stop()
})

t.test('what the map says is not measured', async (t) => {
  const { made, clock, state } = gauge(1.7)
  made.start()
  clock.runUntil(10_000_000)
  t.equal(made.speed, 1.7)
  t.equal(state.pieces, 0)
})

t.test('on this machine: the same each time, and soon done', async (t) => {
  const told: number[] = []
  const make = () =>
    new SpeedGauge({ world: realWorld }, { given: undefined, isAtRest: () => true }, (speed) =>
      told.push(speed),
    )
  const [a, b] = [make(), make()]
  await a.measure()
  await b.measure()
  t.ok(a.speed > 0.1 && a.speed <= 10, `${a.speed}`)
  t.ok(a.speed / b.speed < 2 && b.speed / a.speed < 2, `${a.speed} and ${b.speed}`)
})
