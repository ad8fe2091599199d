import t from 'tap'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import { type LinkFaults, PERFECT_LINK, VirtualNetwork } from '../../src/sim/virtual-network.ts'
import { randomInt, seededRandom } from '../../src/world.ts'

t.test('timers fire in order of time, then of creation; cancelled ones not', async (t) => {
  const clock = new VirtualClock()
  const fired: string[] = []
  clock.after(20, () => fired.push('c'))
  clock.after(10, () => {
    fired.push('a')
    clock.after(0, () => fired.push('a2'))
  })
  clock.after(10, () => fired.push('b'))
  clock.after(15, () => fired.push('never')).cancel()
  clock.runUntil(19)
  t.same(fired, ['a', 'b', 'a2'])
  t.equal(clock.nowMs(), 19)
  clock.runUntil(20)
  t.same(fired, ['a', 'b', 'a2', 'c'])
  t.equal(clock.step(), false)
})

t.test('thousands of timers come out sorted', async (t) => {
  const random = seededRandom(3)
  const clock = new VirtualClock()
  const fired: number[] = []
  for (let i = 0; i < 5_000; i++) {
    clock.after(randomInt(random, 1_000), () => fired.push(clock.nowMs()))
  }
  clock.runUntil(1_000)
  t.equal(fired.length, 5_000)
  t.same(
    fired,
    fired.toSorted((a, b) => a - b),
  )
})

interface Setup {
  clock: VirtualClock
  network: VirtualNetwork<number>
  heard: number[]
}

function network(faults: Partial<LinkFaults> = {}, ordered = false): Setup {
  const clock = new VirtualClock()
  const init = { faults: { ...PERFECT_LINK, ...faults }, ordered }
  const made = new VirtualNetwork<number>({ clock, random: seededRandom(5) }, init)
  const heard: number[] = []
  made.attach('b', (_from, message) => heard.push(message))
  return { clock, network: made, heard }
}

function sendMany({ clock, network }: Setup, count: number): void {
  for (let i = 0; i < count; i++) {
    network.send('a', 'b', i)
    clock.runUntil(clock.nowMs() + 1)
  }
  clock.runUntil(clock.nowMs() + 1_000)
}

t.test('messages are lost, doubled and overtaken as often as said', async (t) => {
  const lossy = network({ loss: 0.3 })
  sendMany(lossy, 10_000)
  t.ok(Math.abs(lossy.heard.length - 7_000) < 200, `${lossy.heard.length} came`)
  const doubling = network({ duplicate: 0.5 })
  sendMany(doubling, 10_000)
  t.ok(Math.abs(doubling.heard.length - 15_000) < 300, `${doubling.heard.length} came`)
  const late = network({ late: 0.1, lateMs: 50 })
  sendMany(late, 1_000)
  t.equal(late.heard.length, 1_000)
  t.notSame(
    late.heard,
    late.heard.toSorted((a, b) => a - b),
  )
})

t.test('an ordered network delays and does nothing else', async (t) => {
  const ordered = network({ loss: 1, duplicate: 1, late: 0.5, lateMs: 50 }, true)
  sendMany(ordered, 500)
  t.same(
    ordered.heard,
    Array.from({ length: 500 }, (_, i) => i),
  )
})

t.test('cuts have directions; a pause keeps, a detached name loses', async (t) => {
  const setup = network()
  const { network: net, heard, clock } = setup
  const back: number[] = []
  net.attach('a', (_from, message) => back.push(message))
  net.block('a', 'b')
  sendMany(setup, 1)
  net.send('b', 'a', 7)
  clock.runUntil(clock.nowMs() + 1)
  t.same([heard, back], [[], [7]])
  net.heal()
  net.partition([['a'], ['b']])
  sendMany(setup, 1)
  net.heal()
  net.pause('b')
  sendMany(setup, 3)
  t.same(heard, [])
  net.resume('b')
  t.same(heard, [0, 1, 2])
  net.detach('b')
  sendMany(setup, 1)
  t.same(heard, [0, 1, 2])
})
