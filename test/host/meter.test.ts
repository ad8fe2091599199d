import t from 'tap'
import { HostWork, WorkerMeter } from '../../src/host/meter.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'

/** A second in which two workers had `turns` turns of `ms` each, and the process used `cpuMs`. */
function shares(turns: [number, number], ms: [number, number], cpuMs: number): [number, number] {
  const clock = new VirtualClock()
  const work = new HostWork()
  const meters = [new WorkerMeter({ clock, work }), new WorkerMeter({ clock, work })]
  for (const [i, meter] of meters.entries()) {
    for (let turn = 0; turn < turns[i]!; turn++) {
      const startedMs = clock.nowMs()
      clock.runUntil(startedMs + ms[i]!)
      meter.ran(startedMs)
      meter.turned()
    }
  }
  clock.runUntil(1_000)
  const rates = work.rates(cpuMs)
  for (const meter of meters) meter.sample(rates)
  return [meters[0]!.cpuShare, meters[1]!.cpuShare]
}

t.test('the CPU of the process is that of its workers, all of it', async (t) => {
  t.strictSame(shares([10, 10], [20, 10], 300), [0.2, 0.1], 'the event loop alone')
  t.strictSame(shares([10, 30], [20, 0], 400), [0.25, 0.15], 'what else there is, by turns')
  t.strictSame(shares([10, 10], [20, 20], 100), [0.05, 0.05], 'the system ran others meanwhile')
  t.strictSame(shares([0, 0], [0, 0], 50), [0, 0], 'nothing of idle ones')
})

t.test('bytes count as a mean, and settle', async (t) => {
  const clock = new VirtualClock()
  const meter = new WorkerMeter({ clock, work: new HostWork() })
  meter.ioBytes = 4_000
  clock.runUntil(2_000)
  const rates = { perBusyMs: 1, perTurnMs: 0 }
  meter.sample(rates)
  t.equal(meter.ioBytesPerSecond, 2_000)
  clock.runUntil(2_500)
  meter.sample(rates)
  t.ok(meter.ioBytesPerSecond < 2_000 && meter.ioBytesPerSecond > 1_500)
  meter.settle(rates)
  t.equal(meter.ioBytesPerSecond, 0)
})

t.test('what turns allocate is known from some of them', async (t) => {
  const clock = new VirtualClock()
  const work = new HostWork()
  let heap = 1_000_000
  work.heapBytes = () => heap
  const [much, little] = [new WorkerMeter({ clock, work }), new WorkerMeter({ clock, work })]
  for (let turn = 0; turn < 3_200; turn++) {
    // Not in step with the turns that are looked at.
    const [meter, bytes] = turn % 3 === 0 ? [little, 100] : [much, 1_000]
    meter.begins()
    heap += bytes
    // Sometimes the heap is collected in the middle of a turn.
    if (turn % 50 === 49) heap = 1_000_000
    meter.ran(clock.nowMs())
  }
  const part = much.allocatedBytes / (much.allocatedBytes + little.allocatedBytes)
  t.ok(part > 0.93 && part < 0.97, `${part}: 20 of 21`)
  const before = much.allocatedBytes
  t.ok(before > 1_700_000 && before < 2_500_000, `${before} of 2.1 million`)
  clock.runUntil(300_000)
  much.sample({ perBusyMs: 1, perTurnMs: 0 })
  t.ok(much.allocatedBytes < 0.4 * before, 'long ago is mostly free again')
})
