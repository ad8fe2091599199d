/**
 * The currency. The cost of a machine is `Σ_r n^(used_r / capacity_r)` over its resources, n the
 * number of machines; work goes where it adds least. Source: Amir, Awerbuch, Barak, Borgstrom,
 * Keren, "An Opportunity Cost Approach for Job Assignment in a Scalable Computing Cluster", IEEE
 * TPDS 11(7), 2000. Because the cost is convex, a nearly full resource outweighs several idle ones,
 * and resources of different kinds add up without weights.
 *
 * The event loop that a node's workers share is a resource of its own: on many cores it is full
 * long before the CPU is.
 *
 * Two resources are counts without a capacity of their own; as the paper does for jobs, theirs is
 * the largest count among the machines compared. Requests in flight per core: a busy CPU looks the
 * same with one request waiting for it as with a hundred. And workers: idle ones use next to
 * nothing, and without it a thousand of them would stay in one place until they wake together.
 */
import type { LoadVector } from '../gossip/types.ts'
import type { Candidate, Demand } from './types.ts'

/** Nominal I/O capacity of a machine: a link of 1 Gbit/s. */
export const IO_BYTES_PER_SECOND_MAX = 125_000_000
/** Least capacity for the count of workers: below it a difference of one or two is not worth a move. */
export const WORKERS_SCALE_MIN = 16
/** Least capacity for requests per core: one each is a busy CPU. */
const REQUESTS_SCALE_MIN = 1
/** From this utilisation on the price rises linearly: still monotone, never infinite. */
const UTILISATION_KNEE = 8
/** Old news keeps the part `exp(-age / NEWS_TAU_MS)` of its difference from the mean. */
export const NEWS_TAU_MS = 5_000

/** What one request in flight is expected to use: its size is unknown when it is placed. */
export const REQUEST_DEMAND: Demand = {
  cpu: 0.05,
  memoryBytes: 65_536,
  requests: 1,
  connections: 0,
  workers: 0,
}

/** What a worker is expected to use before anything is known of it. */
export const WORKER_DEMAND: Demand = {
  cpu: 0.005,
  memoryBytes: 65_536,
  requests: 0,
  connections: 0,
  workers: 1,
}

/** Base of the exponential: the number of machines; at least 2, for with 1 nothing would cost. */
export function costBase(nMachines: number): number {
  return Math.max(2, nMachines)
}

/** `n^utilisation`, linear beyond the knee, at least 1; a broken figure counts as overload. */
export function price(base: number, used: number, capacity: number): number {
  const utilisation = used <= 0 ? 0 : used / capacity
  if (utilisation <= UTILISATION_KNEE) return base ** utilisation
  const beyond = Number.isFinite(utilisation) ? utilisation - UTILISATION_KNEE : 1e9
  return base ** UTILISATION_KNEE * (1 + Math.min(beyond, 1e9) * Math.log(base))
}

/** Capacities for what is only counted; the same for all machines compared. */
export interface Scale {
  readonly workers: number
  readonly requestsPerCore: number
}

const SCALE_MIN: Scale = { workers: WORKERS_SCALE_MIN, requestsPerCore: REQUESTS_SCALE_MIN }

/** The largest counts among the machines compared. */
export function scaleOf(loads: Iterable<LoadVector>): Scale {
  let { workers, requestsPerCore } = SCALE_MIN
  for (const load of loads) {
    workers = Math.max(workers, load.workers)
    requestsPerCore = Math.max(requestsPerCore, load.requests / load.cpuCapacity)
  }
  return { workers, requestsPerCore }
}

/** How many requests fill the machine: by the scale, at most those that it takes. */
export function requestsCapacity(load: LoadVector, scale: Scale): number {
  return Math.min(load.requestsMax, scale.requestsPerCore * load.cpuCapacity)
}

/** Cost of a machine under `load`. */
export function machineCost(load: LoadVector, nMachines: number, scale = SCALE_MIN): number {
  const base = costBase(nMachines)
  return (
    price(base, load.cpu, load.cpuCapacity) +
    price(base, load.loop, 1) +
    price(base, load.memoryBytes, load.memoryBytesMax) +
    price(base, load.requests, requestsCapacity(load, scale)) +
    price(base, load.connections, load.connectionsMax) +
    price(base, load.ioBytesPerSecond, IO_BYTES_PER_SECOND_MAX) +
    price(base, load.workers, scale.workers)
  )
}

/** `load` with `times` × `demand` on top (or taken off, when `times` is negative). */
export function withDemand(load: LoadVector, demand: Demand, times = 1): LoadVector {
  return {
    ...load,
    cpu: Math.max(0, load.cpu + demand.cpu * times),
    loop: Math.max(0, load.loop + (demand.loop ?? 0) * times),
    memoryBytes: Math.max(0, load.memoryBytes + demand.memoryBytes * times),
    requests: Math.max(0, load.requests + demand.requests * times),
    connections: Math.max(0, load.connections + demand.connections * times),
    ioBytesPerSecond: Math.max(0, load.ioBytesPerSecond + (demand.ioBytesPerSecond ?? 0) * times),
    workers: Math.max(0, load.workers + demand.workers * times),
  }
}

/**
 * Marginal cost: what `demand` would add to the candidate, own work sent since its last news
 * counted first, times `repel`.
 */
export function marginalCost(
  candidate: Candidate,
  demand: Demand,
  nMachines: number,
  scale = SCALE_MIN,
): number {
  const now = withDemand(candidate.load, demand, candidate.sentSince)
  const added =
    machineCost(withDemand(now, demand), nMachines, scale) - machineCost(now, nMachines, scale)
  return added * candidate.repel
}

/** What is used on an average machine, in parts of the capacity where machines differ in size. */
export interface MeanLoad {
  readonly cpu: number
  readonly loop: number
  readonly memory: number
  readonly requests: number
  readonly connections: number
  readonly ioBytesPerSecond: number
  readonly workers: number
  readonly scale: Scale
}

const NO_MEAN = {
  cpu: 0,
  loop: 0,
  memory: 0,
  requests: 0,
  connections: 0,
  ioBytesPerSecond: 0,
  workers: 0,
}

/** Mean over machines; undefined when there is none. */
export function meanLoad(loads: readonly LoadVector[]): MeanLoad | undefined {
  if (loads.length === 0) return undefined
  const mean = { ...NO_MEAN }
  for (const load of loads) {
    mean.cpu += load.cpu / load.cpuCapacity / loads.length
    mean.loop += load.loop / loads.length
    mean.memory += load.memoryBytes / load.memoryBytesMax / loads.length
    mean.requests += load.requests / load.requestsMax / loads.length
    mean.connections += load.connections / load.connectionsMax / loads.length
    mean.ioBytesPerSecond += load.ioBytesPerSecond / loads.length
    mean.workers += load.workers / loads.length
  }
  return { ...mean, scale: scaleOf(loads) }
}

/**
 * News of age `ageMs` drawn towards the mean by `g = exp(-age/τ)`: the older a figure, the less it
 * tells about its machine, and the more the machine is like any other. Keeps one apparently idle
 * machine from being everyone's favourite for as long as the news of it is on its way.
 */
export function discounted(
  load: LoadVector,
  ageMs: number,
  mean: MeanLoad,
  tauMs = NEWS_TAU_MS,
): LoadVector {
  const g = Math.exp(-Math.max(0, ageMs) / tauMs)
  const mix = (own: number, other: number): number => other + g * (own - other)
  return {
    ...load,
    cpu: mix(load.cpu, mean.cpu * load.cpuCapacity),
    loop: mix(load.loop, mean.loop),
    // What was full may still be: memory is not thought to be freer than it was told.
    memoryBytes: Math.max(
      load.memoryBytes,
      mix(load.memoryBytes, mean.memory * load.memoryBytesMax),
    ),
    requests: mix(load.requests, mean.requests * load.requestsMax),
    connections: mix(load.connections, mean.connections * load.connectionsMax),
    ioBytesPerSecond: mix(load.ioBytesPerSecond, mean.ioBytesPerSecond),
    workers: mix(load.workers, mean.workers),
  }
}
