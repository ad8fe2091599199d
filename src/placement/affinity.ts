/**
 * What speaks for a place besides the cost of its machine: where a worker may be, what it is drawn
 * to and what it shall be apart from. All in the currency of `cost.ts`.
 *
 * To where its traffic is: after MOSIX, whose processes move to the files that they use (Amar,
 * Barak, Shiloh, "The MOSIX direct file system access method", Cluster Computing 7(2), 2004).
 */
import { costBase, IO_BYTES_PER_SECOND_MAX } from './cost.ts'
import type { Candidate } from './types.ts'

/**
 * What a message a second between two nodes is worth, in cores: half a millisecond of CPU at both
 * ends together, and three times as much for who waits meanwhile.
 */
const MESSAGE_CORES = 0.002

/** What passes between a worker and those on some nodes. */
export interface Traffic {
  /** It stays inside when the worker is on one of these. */
  readonly nodes: readonly string[]
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
}

/** Of one worker. What is absent does not matter to it. */
export interface Affinity {
  /** Why the node must not have it; undefined: it may. */
  readonly whyNot?: (node: string) => string | undefined
  /** Nodes that have what it is to be near. Empty: nobody knows them. */
  readonly near?: readonly string[]
  /** Others of its class on the node, from which it is to be apart. */
  readonly others?: (node: string) => number
  readonly traffic?: readonly Traffic[]
}

/** What to be near, or to be apart, is worth: what a machine costs more when it is half full. */
export function halfMachine(nMachines: number): number {
  return Math.sqrt(costBase(nMachines)) - 1
}

/** What the place costs the worker, on top of what it adds to the machine. */
export function placeCost(
  affinity: Affinity | undefined,
  { id, load }: Pick<Candidate, 'id' | 'load'>,
  nMachines: number,
): number {
  if (!affinity) return 0
  const { near, others, traffic } = affinity
  const isFar = near !== undefined && near.length > 0 && !near.includes(id)
  const apart = others?.(id) ?? 0
  let cores = 0
  let links = 0
  for (const one of traffic ?? []) {
    if (one.nodes.includes(id)) continue
    cores += one.messagesPerSecond * MESSAGE_CORES
    links += one.bytesPerSecond / IO_BYTES_PER_SECOND_MAX
  }
  // The slope of a resource's price where little of it is used.
  const distance = Math.log(costBase(nMachines)) * (cores / load.cpuCapacity + links)
  return ((isFar ? 1 : 0) + apart) * halfMachine(nMachines) + distance
}

/** Nodes that draw the worker: it is not left to chance whether they are looked at. */
export function drawnTo(affinity: Affinity | undefined): readonly string[] {
  const { near = [], traffic = [] } = affinity ?? {}
  let most: Traffic | undefined
  for (const one of traffic) {
    if (!most || one.messagesPerSecond > most.messagesPerSecond) most = one
  }
  return [...near, ...(most?.nodes ?? [])]
}
