import { type Random, sample } from '../../../world.ts'
import type { JobMove, JobView, MachineView, Policy, PolicyInit } from '../policy.ts'
import { RoundRobin } from './round-robin.ts'

/** Load must differ by this many times what one job adds there (MOSIX's stabilising factor). */
const STABILISING = 1.3

/**
 * MOSIX: a job starts where its user is, here one machine after another, and migrates from there.
 * In every round a machine looks at a random few; when its load, in jobs for its speed, exceeds that
 * of one of them by the stabilising factor, its oldest job that fits there goes. When memory runs
 * out, that overrides it: the smallest job that cures the shortage goes where it fits best.
 */
export class Mosix implements Policy {
  readonly #homes: RoundRobin
  readonly #random: Random
  readonly #look: number

  constructor(init: PolicyInit) {
    this.#homes = new RoundRobin(init)
    this.#random = init.random
    this.#look = init.look
  }

  place(memoryMb: number, machines: readonly MachineView[]): number {
    return this.#homes.place(memoryMb, machines)
  }

  round(self: MachineView, jobs: readonly JobView[], others: readonly MachineView[]): JobMove[] {
    const move = self.usedMb > self.memoryMb ? usher(self, jobs, others) : undefined
    const other = move ?? this.#balance(self, jobs, sample(this.#random, others, this.#look))
    return other === undefined ? [] : [other]
  }

  #balance(
    self: MachineView,
    jobs: readonly JobView[],
    looked: readonly MachineView[],
  ): JobMove | undefined {
    const to = looked.toSorted((a, b) => loadOf(a) - loadOf(b))[0]
    if (to === undefined) return undefined
    if (loadOf(self) <= loadOf(to) + STABILISING / (to.cores * to.speed)) return undefined
    const job = jobs
      .filter(({ memoryMb }) => memoryMb <= roomOf(to))
      .toSorted((a, b) => b.ageS - a.ageS)[0]
    return job && { job: job.index, to: to.index }
  }
}

function loadOf({ jobs, cores, speed }: MachineView): number {
  return jobs / (cores * speed)
}

function roomOf({ memoryMb, usedMb }: MachineView): number {
  return memoryMb - usedMb
}

function usher(
  self: MachineView,
  jobs: readonly JobView[],
  others: readonly MachineView[],
): JobMove | undefined {
  const shortMb = self.usedMb - self.memoryMb
  const bySize = jobs.toSorted((a, b) => a.memoryMb - b.memoryMb)
  const cures = bySize.filter(({ memoryMb }) => memoryMb >= shortMb)
  for (const job of [...cures, ...bySize.toReversed()]) {
    const fit = others
      .filter((other) => roomOf(other) >= job.memoryMb)
      .toSorted((a, b) => roomOf(a) - roomOf(b))[0]
    if (fit !== undefined) return { job: job.index, to: fit.index }
  }
  return undefined
}
