import type { Capacity, LoadVector } from '../gossip/types.ts'
import { type Random, randomInt } from '../world.ts'

/** Of each member; areas choose how many requests. */
export const SIM_CAPACITY: Capacity = {
  cpu: 4,
  memoryBytes: 8e9,
  requests: 1_000,
  connections: 20_000,
}

/**
 * A member's load in the simulation of gossip. `stamp` goes into a figure that travels exactly;
 * `strained`: the part of the measurements that show overload, which is urgent news.
 */
export function simLoad(
  random: Random,
  stamp: number,
  { requestsMax, strained }: { requestsMax: number; strained: number },
): LoadVector {
  return {
    cpu: random.next() * 4,
    cpuCapacity: SIM_CAPACITY.cpu,
    loop: random.next(),
    memoryBytes: random.next() * 4e9,
    memoryBytesMax: SIM_CAPACITY.memoryBytes,
    requests: random.next() < strained ? requestsMax : randomInt(random, 100),
    requestsMax,
    connections: randomInt(random, 2_000),
    connectionsMax: SIM_CAPACITY.connections,
    ioBytesPerSecond: randomInt(random, 1e8),
    workers: stamp,
    classes: [],
    lagMs: random.next() * 5,
  }
}
