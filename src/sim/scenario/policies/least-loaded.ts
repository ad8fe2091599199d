import type { Random } from '../../../world.ts'
import type { MachineView, Policy, PolicyInit } from '../policy.ts'

/** The machine with the fewest jobs for its speed, the new one counted; ties at random. */
export class LeastLoaded implements Policy {
  readonly #random: Random

  constructor(init: PolicyInit) {
    this.#random = init.random
  }

  place(_memoryMb: number, machines: readonly MachineView[]): number {
    return cheapest(machines, this.#random, ({ jobs, cores, speed }) =>
      Math.max(1 / speed, (jobs + 1) / (cores * speed)),
    )
  }
}

/** Index of the machine with the least cost; ties at random. */
export function cheapest(
  machines: readonly MachineView[],
  random: Random,
  costOf: (machine: MachineView) => number,
): number {
  let best = -1
  let least = Number.POSITIVE_INFINITY
  let ties = 0
  for (const machine of machines) {
    const cost = costOf(machine)
    if (best >= 0 && cost > least) continue
    ties = cost === least ? ties + 1 : 1
    if (ties > 1 && random.next() * ties >= 1) continue
    best = machine.index
    least = cost
  }
  return best
}
