import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { CpuWait } from '../../src/node/cpu-wait.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import { realWorld } from '../../src/world.ts'

t.test('the time that processes wait for a core, in the mean', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'aries-wait-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  const clock = new VirtualClock()
  const wait = new CpuWait({ clock }, { root })
  /** A second later, when the processes 1 and 2 have run and waited so many milliseconds. */
  const later = (...times: [run: number, waited: number][]): number => {
    for (const [i, [run, waited]] of times.entries()) {
      mkdirSync(join(root, `proc/${i + 1}`), { recursive: true })
      writeFileSync(join(root, `proc/${i + 1}/schedstat`), `${run * 1e6} ${waited * 1e6} 7\n`)
    }
    clock.runUntil(clock.nowMs() + 1_000)
    return wait.sample([1, 2, 3])
  }
  t.equal(later([1_000, 9_000], [1_000, 9_000]), 1, 'what was before does not count')
  t.equal(later([1_100, 9_000], [1_100, 9_000]), 1)
  const waiting = later([1_200, 9_400], [1_200, 9_400])
  t.ok(waiting > 2 && waiting < 5, `${waiting}: half of the mean`)
  for (let n = 1; n <= 20; n++) later([1_200 + n * 10, 9_400 + n * 1_000], [1_200, 9_400])
  t.equal(later([1_410, 40_000], [1_200, 9_400]), 8, 'no more than that')
  for (let n = 1; n <= 40; n++) later([1_410 + n * 100, 40_000], [1_200, 9_400])
  t.ok(later([5_600, 40_000], [1_200, 9_400]) < 1.1, 'it is forgotten')
  t.ok(later([10, 0], [1_200, 9_400]) < 1.1, 'another process under that number')
  rmSync(join(root, 'proc'), { recursive: true })
  t.ok(Number.isFinite(later()), 'all have ended')
  writeFileSync(join(root, 'proc'), '')
  t.equal(new CpuWait({ clock }, { root }).sample([1]), 1, 'a system that does not count')
})

t.test('this process', async (t) => {
  const wait = new CpuWait(realWorld)
  wait.sample([process.pid])
  const untilMs = performance.now() + 50
  while (performance.now() < untilMs);
  const stretch = wait.sample([process.pid])
  t.ok(stretch >= 1 && stretch <= 8, `${stretch}`)
})
