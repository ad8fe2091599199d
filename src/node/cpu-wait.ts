import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../world.ts'

/** The figure is a mean over about this time: short waits come and go by chance. */
const MEAN_MS = 4_000
/** More is not told: who waits so long is on a machine that is out of the question. */
const STRETCH_MAX = 8
/** Less CPU than this in the mean tells nothing of how long one waits for more. */
const RUN_MS_MIN = 1

interface Times {
  readonly runMs: number
  readonly waitMs: number
}

/**
 * How much longer the processes of this node take than they would alone, because the system has
 * other things to run. In a machine that is shared that is the number of jobs for a core, which
 * MOSIX takes from the kernel's run queue; here it is what our own processes wait, so that it holds
 * in containers, under quotas and beside neighbours that nobody tells us of.
 *
 * Source: the time on a CPU and the time that a process waited for one, in nanoseconds, are the
 * first two figures of /proc/…/schedstat (Linux, Documentation/scheduler/sched-stats.rst).
 */
export class CpuWait {
  readonly #clock: Clock
  readonly #root: string
  readonly #seen = new Map<number, Times>()
  #mean: Times = { runMs: 0, waitMs: 0 }
  #sampledMs: number

  /** `root`: of the file system. */
  constructor(components: { clock: Clock }, init: { root: string } = { root: '/' }) {
    this.#clock = components.clock
    this.#root = init.root
    this.#sampledMs = components.clock.nowMs()
  }

  /** From 1, nobody waits, up to a bound. `pids`: of the processes of this node. */
  sample(pids: readonly number[]): number {
    const nowMs = this.#clock.nowMs()
    const kept = Math.exp((this.#sampledMs - nowMs) / MEAN_MS)
    this.#sampledMs = nowMs
    let { runMs, waitMs } = this.#mean
    runMs *= kept
    waitMs *= kept
    for (const pid of this.#seen.keys()) if (!pids.includes(pid)) this.#seen.delete(pid)
    for (const pid of pids) {
      const now = this.#times(pid)
      const before = this.#seen.get(pid)
      if (!now) continue
      this.#seen.set(pid, now)
      if (!before || now.runMs < before.runMs) continue
      runMs += now.runMs - before.runMs
      waitMs += Math.max(0, now.waitMs - before.waitMs)
    }
    this.#mean = { runMs, waitMs }
    return runMs < RUN_MS_MIN ? 1 : Math.min(STRETCH_MAX, 1 + waitMs / runMs)
  }

  #times(pid: number): Times | undefined {
    try {
      const text = readFileSync(join(this.#root, `proc/${pid}/schedstat`), 'utf8')
      const [run, wait] = text.split(' ').map(Number)
      return run! >= 0 && wait! >= 0 ? { runMs: run! / 1e6, waitMs: wait! / 1e6 } : undefined
    } catch {
      // It has ended, or the system does not count.
      return undefined
    }
  }
}
