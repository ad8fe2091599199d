import type { HostStats } from '../host/ipc.ts'

/** What a host process uses, or several of them together; `loop`: of the busiest. */
export type HostTotals = Omit<HostStats, 'changed' | 'startFault' | 'starting'>

export const NO_TOTALS: HostTotals = {
  awake: 0,
  asleep: 0,
  wakes: 0,
  cpu: 0,
  loop: 0,
  memoryBytes: 0,
  heapBytes: 0,
  requests: 0,
  connections: 0,
  ioBytesPerSecond: 0,
}

export function totalOf(all: Iterable<HostTotals>): HostTotals {
  const sum = { ...NO_TOTALS }
  for (const one of all) {
    const loop = Math.max(sum.loop, one.loop)
    for (const name of Object.keys(sum) as (keyof HostTotals)[]) sum[name] += one[name]
    sum.loop = loop
  }
  return sum
}
