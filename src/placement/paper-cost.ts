/**
 * The cost as it was published, to be compared with the practical one of `cost.ts`: Amir, Awerbuch,
 * Barak, Borgstrom, Keren, "An Opportunity Cost Approach for Job Assignment in a Scalable Computing
 * Cluster", IEEE TPDS 11(7), 2000, and Borgstrom's thesis (Johns Hopkins, 2000), chapters 2 and 3.
 *
 * `cost(machine) = n^(used memory / memory) + n^(jobs / L)`, n the number of machines, L the
 * smallest power of two that is not less than the most jobs ever seen on a machine. The speed of a
 * CPU does not enter; nor do cores, news of different ages, or what is not memory or CPU. Those are
 * what `cost.ts` adds, with its slopes kept finite.
 *
 * The printed pseudo-code forgets to remember the least cost so far and, read to the letter, always
 * picks the last machine; here the least is picked, which the text asks for.
 */

/** Largest exponent: the power stays finite for a million machines, far beyond any sound use. */
const EXPONENT_MAX = 50

/** What the published cost knows of a machine. */
export interface PaperMachine {
  readonly memoryMb: number
  readonly usedMb: number
  readonly jobs: number
}

/** `n^use`, clamped: a job may ask for many times the memory that a machine has. */
function power(n: number, use: number): number {
  return n ** Math.min(EXPONENT_MAX, use)
}

/** The smallest power of two that is at least `jobsMost`, the most jobs seen on one machine so far. */
export function paperScale(jobsMost: number): number {
  let scale = 1
  while (scale < jobsMost) scale *= 2
  return scale
}

/** The cost of a machine among `n`; `scale` is the L of the paper. */
export function paperCost(machine: PaperMachine, n: number, scale: number): number {
  return power(n, machine.usedMb / machine.memoryMb) + power(n, machine.jobs / scale)
}

/** What a job with `memoryMb` would add to the cost of the machine. */
export function paperMarginal(
  machine: PaperMachine,
  memoryMb: number,
  n: number,
  scale: number,
): number {
  const { usedMb, jobs } = machine
  const withIt = { ...machine, usedMb: usedMb + memoryMb, jobs: jobs + 1 }
  return paperCost(withIt, n, scale) - paperCost(machine, n, scale)
}

/** What a job with `memoryMb` that runs on the machine adds to its cost now. */
export function paperGivenUp(
  machine: PaperMachine,
  memoryMb: number,
  n: number,
  scale: number,
): number {
  const { usedMb, jobs } = machine
  const without = { ...machine, usedMb: usedMb - memoryMb, jobs: jobs - 1 }
  return paperCost(machine, n, scale) - paperCost(without, n, scale)
}
