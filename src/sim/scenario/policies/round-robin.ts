import type { MachineView, Policy, PolicyInit } from '../policy.ts'

/** One machine after another, as PVM did it. */
export class RoundRobin implements Policy {
  #next = 0
  readonly #machines: number

  constructor(init: PolicyInit) {
    this.#machines = init.machines
  }

  place(_memoryMb: number, machines: readonly MachineView[]): number {
    const up = new Set(machines.map(({ index }) => index))
    while (!up.has(this.#next % this.#machines)) this.#next++
    return this.#next++ % this.#machines
  }
}
