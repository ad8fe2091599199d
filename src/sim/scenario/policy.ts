/** What a policy is told, and what it answers. */
import type { Random } from '../../world.ts'
import type { MachineInit } from './schema.ts'

/** A machine as the one that decides knows it. */
export interface MachineView extends MachineInit {
  /** Its place in the list of all machines. */
  readonly index: number
  readonly jobs: number
  readonly usedMb: number
  /** Part of the CPU that something else than jobs takes away. */
  readonly takenAway: number
  /** When this was so. */
  readonly toldAtS: number
}

/** A job that might move. */
export interface JobView {
  /** To name it in a `JobMove`; counts from 0 in the order of arrival here. */
  readonly index: number
  readonly memoryMb: number
  /** How long it has been on this machine. */
  readonly ageS: number
}

export interface JobMove {
  readonly job: number
  readonly to: number
}

export interface PolicyInit {
  readonly random: Random
  /** How many machines there are, up or not. */
  readonly machines: number
  /** Random machines that a round looks at. */
  readonly look: number
}

export interface Policy {
  /** The machine that a job with `memoryMb` goes to; `machines` are those that are up. */
  place(memoryMb: number, machines: readonly MachineView[], nowS: number): number
  /** Jobs that machine `self` sends elsewhere now; `others` are those that are up. */
  round?(
    self: MachineView,
    jobs: readonly JobView[],
    others: readonly MachineView[],
    nowS: number,
  ): JobMove[]
}
