/**
 * Which jobs of the queue a node starts now: pure. The queue is the store's and every node looks at
 * the whole of it, so that its order holds for the cluster: the largest priority first, of equal
 * ones the one that has waited longest.
 */

export interface QueuedJob {
  readonly id: string
  readonly priority: number
  readonly cpu: number
  readonly memoryBytes: number
  /** Since it was queued. */
  readonly ageMs: number
}

/** What a node has left for jobs. */
export interface Room {
  readonly cpu: number
  readonly memoryBytes: number
}

export interface QueueOptions {
  /** What the node would have without a job. */
  readonly whole: Room
  /** The job that this node was chosen for. */
  readonly hinted?: string | undefined
  /** Another node is being chosen for younger ones: room is left for them, that is all. */
  readonly freshMs: number
  /** Smaller jobs go past one that does not fit, but no longer than this. */
  readonly patienceMs: number
}

/** The jobs that start now, in order. */
export function nextJobs(
  queue: readonly QueuedJob[],
  room: Room,
  options: QueueOptions,
): readonly string[] {
  const { whole, hinted, freshMs, patienceMs } = options
  let { cpu, memoryBytes } = room
  const next: string[] = []
  for (const job of queue.toSorted(byRank)) {
    if (job.cpu > cpu || job.memoryBytes > memoryBytes) {
      const canEver = job.cpu <= whole.cpu && job.memoryBytes <= whole.memoryBytes
      if (canEver && job.ageMs > patienceMs) break
      continue
    }
    cpu -= job.cpu
    memoryBytes -= job.memoryBytes
    if (job.id === hinted || job.ageMs >= freshMs) next.push(job.id)
  }
  return next
}

/** Which of two goes first. */
export function byRank(a: QueuedJob, b: QueuedJob): number {
  return b.priority - a.priority || b.ageMs - a.ageMs || (a.id < b.id ? -1 : 1)
}
