/** Memory and CPU of the processes of a cluster, from /proc (Linux). */
import { readFileSync } from 'node:fs'
import type { NodeStatusInfo } from '../src/rpc.ts'

/** Clock ticks of /proc/<pid>/stat in a second: USER_HZ, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

export type Role = 'hosts' | 'spares' | 'nodes' | 'pools' | 'fronts'

export interface Usage {
  /** Resident, bytes. */
  readonly memory: number
  /** Since the processes started, seconds. */
  readonly cpu: number
}

/** The processes of each role, by what the members tell of them. */
export function pidsByRole(members: readonly NodeStatusInfo[]): Map<Role, number[]> {
  const pids = new Map<Role, number[]>([
    ['hosts', []],
    ['spares', []],
    ['nodes', []],
    ['pools', []],
    ['fronts', []],
  ])
  for (const { role, pid, processes } of members) {
    pids.get(role === 'front' ? 'fronts' : 'nodes')!.push(pid)
    for (const child of processes) {
      if (child.role === 'host') pids.get('hosts')!.push(child.pid)
      if (child.role === 'spare') pids.get('spares')!.push(child.pid)
      if (child.role === 'pool') pids.get('pools')!.push(child.pid)
    }
  }
  return pids
}

/** Of all these processes together. */
export function usageOf(pids: readonly number[]): Usage {
  let memory = 0
  let cpu = 0
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    memory += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
    // The name, in brackets, may hold spaces: the fields are counted from its end.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    cpu += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }
  return { memory, cpu }
}
