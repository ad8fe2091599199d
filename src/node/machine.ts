import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'

/** The cores that this process may use: cgroup quota and affinity included. */
export function coreCount(): number {
  // libuv counts affinity and, since Node 20, the cgroup's CPU quota.
  return availableParallelism()
}

/** The memory that this process may use: the cgroup's limit where there is one, in bytes. */
export function memoryBytesMax(): number {
  const limits = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']
    .map(readNumber)
    .filter((bytes): bytes is number => bytes !== undefined && bytes > 0)
  return Math.min(totalmem(), ...limits)
}

function readNumber(file: string): number | undefined {
  try {
    const value = Number(readFileSync(file, 'utf8').trim())
    return Number.isFinite(value) ? value : undefined
  } catch {
    return undefined
  }
}
