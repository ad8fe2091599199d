import type { LoadVector } from '../gossip/types.ts'
import { WORKER_DEMAND } from './cost.ts'
import type { Demand } from './types.ts'

/**
 * What a new worker of the class is expected to use: the mean of those that there are on the
 * machines, and one that uses what a worker of an unknown class does.
 */
export function demandOfClass(className: string, loads: Iterable<LoadVector>): Demand {
  let { workers, cpu, memoryBytes } = WORKER_DEMAND
  for (const { classes } of loads) {
    const told = classes.find(({ name }) => name === className)
    if (!told) continue
    workers += told.workers
    cpu += told.cpu * told.workers
    memoryBytes += told.stateBytes * told.workers
  }
  const mean = { cpu: cpu / workers, memoryBytes: memoryBytes / workers }
  return { ...WORKER_DEMAND, ...mean, loop: mean.cpu }
}
