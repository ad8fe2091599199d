import type { Bug } from './find-bug.ts'

/** Bugs to be found by the simulation of placement. */
export const PLACEMENT_BUGS: readonly Bug[] = [
  {
    name: 'a peer that looks cheap gets all that it could take, from everyone',
    file: 'placement/rebalance.ts',
    find: 'const exact = moves / (looked + 1)',
    replace: 'const exact = moves + 0 * looked',
    seeds: 40,
  },
  {
    name: 'a move need not gain anything',
    file: 'placement/rebalance.ts',
    find: 'if (givenUp - added <= givenUp * (hysteresis + moveShare)) continue',
    replace: 'if (givenUp + hysteresis + moveShare < 0) continue',
    seeds: 40,
  },
  {
    name: 'no hysteresis',
    file: 'placement/rebalance.ts',
    find: 'givenUp * (hysteresis + moveShare)',
    replace: '0 * (hysteresis + moveShare)',
    seeds: 80,
  },
  {
    name: 'the same few peers are looked at again and again',
    file: 'placement/rebalance.ts',
    find: 'const looked = sample(options.random, peers, options.sample)',
    replace: 'const looked = peers.slice(0, options.sample)',
    seeds: 40,
  },
  {
    name: 'a node is filled with workers to the last byte',
    file: 'placement/rebalance.ts',
    find: 'return load.memoryBytes <= USHER.below * load.memoryBytesMax',
    replace: 'return load.memoryBytes <= load.memoryBytesMax',
    seeds: 40,
  },
  {
    name: 'what was full a while ago is thought to be free',
    file: 'placement/cost.ts',
    find: 'memoryBytes: Math.max(\n      load.memoryBytes,',
    replace: 'memoryBytes: Math.max(\n      0,',
    seeds: 80,
  },
  {
    name: 'the CPU has no price',
    file: 'placement/cost.ts',
    find: 'price(base, load.cpu, load.cpuCapacity) +',
    replace: '',
    seeds: 40,
  },
  {
    name: 'ushering waits until memory is used up',
    file: 'placement/usher.ts',
    find: 'if (memoryBytes <= options.above * memoryBytesMax) return []',
    replace: 'if (memoryBytes <= memoryBytesMax) return []',
    seeds: 20,
  },
  {
    name: 'a new worker goes where it costs most',
    file: 'placement/choose.ts',
    find: 'a.marginal + (a.place ?? 0) - b.marginal - (b.place ?? 0)',
    replace: 'b.marginal + (b.place ?? 0) - a.marginal - (a.place ?? 0)',
    seeds: 20,
  },
]
