import type { ClusterMember } from '../admin/api.ts'
import { withClient } from './client.ts'
import { bytes, milliseconds, number } from './format.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'
import { byRoleAndId, stateOf } from './status.ts'
import { type Column, table } from './table.ts'

const COLUMNS: readonly Column[] = [
  { title: 'MEMBER' },
  { title: 'ROLE' },
  { title: 'STATE' },
  { title: 'ADMIN' },
  { title: 'INCARNATION', right: true },
  { title: 'SPEED', right: true },
  { title: 'CPU', right: true },
  { title: 'MEMORY', right: true },
  { title: 'REQUESTS', right: true },
  { title: 'CONNECTIONS', right: true },
  { title: 'WORKERS', right: true },
  { title: 'COST', right: true },
  { title: 'HEARD', right: true },
]

/** `aries nodes` */
export async function nodes(options: ReadOptions): Promise<void> {
  const { members } = await withClient(options, (client) => client.get('GET /api/cluster'))
  if (options.json) printJson(members)
  else print(table(COLUMNS, members.toSorted(byRoleAndId).map(row)))
}

function row(member: ClusterMember): string[] {
  const { load } = member
  return [
    member.id,
    member.role,
    stateOf(member),
    `${member.host}:${member.adminPort}`,
    member.incarnation === 0 ? '-' : String(member.incarnation),
    member.speed === null ? '-' : number(member.speed, 2),
    load === null ? '-' : `${number(load.cpu, 2)}/${number(load.cpuCapacity, 1)}`,
    load === null ? '-' : `${bytes(load.memoryBytes)}/${bytes(load.memoryBytesMax)}`,
    load === null ? '-' : String(load.requests),
    load === null ? '-' : String(load.connections),
    member.role === 'front' ? '-' : String(member.workers),
    member.cost === null ? '-' : number(member.cost, 3),
    member.loadAgeMs === null ? '-' : `${milliseconds(member.loadAgeMs)} ago`,
  ]
}
