import { paperGivenUp, paperMarginal, paperScale } from '../../../placement/paper-cost.ts'
import { type Random, sample } from '../../../world.ts'
import type { JobMove, JobView, MachineView, Policy, PolicyInit } from '../policy.ts'
import { cheapest } from './least-loaded.ts'

/** Where the published marginal cost is least, for good. */
export class EPvm implements Policy {
  protected readonly random: Random
  protected readonly machines: number
  /** The L of the paper: see `paper-cost.ts`. */
  protected scale = 1

  constructor(init: PolicyInit) {
    this.random = init.random
    this.machines = init.machines
  }

  place(memoryMb: number, machines: readonly MachineView[]): number {
    this.see(machines)
    return cheapest(machines, this.random, (machine) =>
      paperMarginal(machine, memoryMb, this.machines, this.scale),
    )
  }

  protected see(machines: readonly MachineView[]): void {
    for (const { jobs } of machines) this.scale = Math.max(this.scale, paperScale(jobs))
  }
}

/**
 * E-PVM, and each machine asks of each of its jobs in every round whether one of a random few would
 * have it cheaper; the first that would gets it. The paper names neither the time between rounds
 * nor how many are looked at; the scenario does.
 */
export class EMosix extends EPvm {
  readonly #look: number

  constructor(init: PolicyInit) {
    super(init)
    this.#look = init.look
  }

  round(self: MachineView, jobs: readonly JobView[], others: readonly MachineView[]): JobMove[] {
    this.see([self, ...others])
    let here = self
    const looked = sample(this.random, others, this.#look)
    const moves: JobMove[] = []
    for (const { index: job, memoryMb } of jobs) {
      const current = paperGivenUp(here, memoryMb, this.machines, this.scale)
      const at = looked.findIndex(
        (other) => paperMarginal(other, memoryMb, this.machines, this.scale) < current,
      )
      if (at < 0) continue
      const to = looked[at]!
      moves.push({ job, to: to.index })
      here = { ...here, jobs: here.jobs - 1, usedMb: here.usedMb - memoryMb }
      looked[at] = { ...to, jobs: to.jobs + 1, usedMb: to.usedMb + memoryMb }
    }
    return moves
  }
}
