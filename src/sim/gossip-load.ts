import type { LoadVector } from '../gossip/types.ts'
import { type Random, randomInt } from '../world.ts'

/** Part of the measurements that show overload, which is urgent news. */
const STRAINED = 0.02

/** A member's load in the simulation of gossip. `stamp` goes into a figure that travels exactly. */
export function simLoad(random: Random, stamp: number, requestsMax: number): LoadVector {
  return {
    cpu: random.next() * 4,
    cpuCapacity: 4,
    loop: random.next(),
    memoryBytes: random.next() * 4e9,
    memoryBytesMax: 8e9,
    requests: random.next() < STRAINED ? requestsMax : randomInt(random, 100),
    requestsMax,
    connections: randomInt(random, 2_000),
    connectionsMax: 20_000,
    ioBytesPerSecond: randomInt(random, 1e8),
    workers: stamp,
    classes: [],
    lagMs: random.next() * 5,
  }
}
