import type { Job } from './jobs.ts'
import type { MachineInit } from './schema.ts'

/** Sums of memory are exact to this part. */
const ROUNDING = 1e-9

/** A job that runs on a machine. */
export interface RunningJob {
  readonly job: Job
  /** Since when it runs on this machine. */
  sinceS: number
  /** What each job of the machine will have been served when this one is done. */
  doneAtServedS: number
}

/**
 * A machine that shares its processors evenly among its jobs; when they need more memory than there
 * is, all of them run `thrashing` times slower.
 */
export class Machine {
  readonly init: MachineInit
  readonly jobs = new Set<RunningJob>()
  usedMb = 0
  /** Part of the speed that jobs get; 0: down. */
  speedLeft = 1
  readonly #thrashing: number
  /** CPU seconds that each job that was here all the time has been served. */
  #servedS = 0
  #atS = 0

  constructor(init: MachineInit, thrashing: number) {
    this.init = init
    this.#thrashing = thrashing
  }

  get isUp(): boolean {
    return this.speedLeft > 0
  }

  /** CPU seconds a second that each job gets. */
  get rate(): number {
    const { cores, speed, memoryMb } = this.init
    const share = Math.min(1, cores / Math.max(1, this.jobs.size))
    const slower = this.usedMb > memoryMb * (1 + ROUNDING) ? this.#thrashing : 1
    return (share * speed * this.speedLeft) / slower
  }

  /** Takes the time up to `nowS` into account: before every change. */
  advance(nowS: number): void {
    this.#servedS += (nowS - this.#atS) * this.rate
    this.#atS = nowS
  }

  /** `leftS`: CPU seconds that the job still needs. */
  add(job: Job, leftS: number, nowS: number): void {
    this.advance(nowS)
    this.jobs.add({ job, sinceS: nowS, doneAtServedS: this.#servedS + leftS })
    this.usedMb += job.memoryMb
  }

  /** Takes a job off; returns the CPU seconds that it still needs. */
  remove(running: RunningJob, nowS: number): number {
    this.advance(nowS)
    this.jobs.delete(running)
    this.usedMb = this.jobs.size === 0 ? 0 : this.usedMb - running.job.memoryMb
    return Math.max(0, running.doneAtServedS - this.#servedS)
  }

  setSpeedLeft(speedLeft: number, nowS: number): void {
    this.advance(nowS)
    this.speedLeft = speedLeft
  }

  /** The job that will be done first, as things are; undefined when none will. */
  next(): { readonly running: RunningJob; readonly atS: number } | undefined {
    let first: RunningJob | undefined
    for (const running of this.jobs) {
      if (first === undefined || running.doneAtServedS < first.doneAtServedS) first = running
    }
    if (first === undefined || !this.isUp) return undefined
    const waitS = Math.max(0, first.doneAtServedS - this.#servedS) / this.rate
    return { running: first, atS: this.#atS + waitS }
  }
}
