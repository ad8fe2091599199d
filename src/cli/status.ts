import type { ClusterInfo, ClusterMember } from '../admin/api.ts'
import type { NodeStatusInfo } from '../rpc.ts'
import { withClient } from './client.ts'
import { age, count } from './format.ts'
import type { ReadOptions } from './options.ts'
import { harmless, print, printJson } from './output.ts'
import { bold, table } from './table.ts'

/** `aries status` */
export async function status(options: ReadOptions): Promise<void> {
  const [cluster, members] = await withClient(options, (client) =>
    Promise.all([client.get('GET /api/cluster'), client.get('GET /api/status')]),
  )
  if (options.json) printJson({ ...cluster, status: members })
  else print(statusText(cluster, members))
}

function statusText(cluster: ClusterInfo, members: readonly NodeStatusInfo[]): string {
  const ready = members.filter((member) => member.ready).length
  const { mapEpoch } = cluster
  const total = count(cluster.members.length, 'member')
  const notes = [
    ...cluster.notes,
    ...members.flatMap(({ id, notes: own }) => own.map((note) => `${id}: ${note}`)),
  ]
  return [
    `cluster ${cluster.cluster}, map epoch ${mapEpoch}: ${total}, ${ready} ready`,
    '',
    membersTable(cluster.members, members),
    '',
    table(
      [{ title: 'ROUTE' }, { title: 'KIND' }, { title: 'TARGETS' }],
      cluster.routes.map(({ path, kind, targets }) => [path, kind, targets.join(' ')]),
    ),
    ...(notes.length === 0 ? [] : ['', bold('NOTES'), ...new Set(notes.map(noteLine))]),
  ].join('\n')
}

function membersTable(
  members: readonly ClusterMember[],
  statuses: readonly NodeStatusInfo[],
): string {
  const generations = statuses.flatMap((each) => each.processes.map((own) => own.generation))
  const differ = new Set(generations).size > 1
  const rows = members.toSorted(byRoleAndId).map((member) => {
    const own = statuses.find((each) => each.id === member.id)
    return [
      member.id,
      member.role,
      stateOf(member),
      own === undefined ? '-' : own.ready ? 'yes' : 'no',
      own?.version ?? '-',
      own === undefined ? '-' : age(own.uptimeMs),
      own === undefined ? '-' : processesOf(own, differ),
    ]
  })
  const titles = ['MEMBER', 'ROLE', 'STATE', 'READY', 'VERSION', 'UP', 'PROCESSES']
  return table(
    titles.map((title) => ({ title })),
    rows,
  )
}

/** Fronts first; n10 after n9. */
export function byRoleAndId(a: ClusterMember, b: ClusterMember): number {
  if (a.role !== b.role) return a.role === 'front' ? -1 : 1
  return a.id.localeCompare(b.id, 'en', { numeric: true })
}

/** State in gossip, and what an operator asked of it. */
export function stateOf(member: ClusterMember): string {
  const state = member.joined ? `${member.state}, joined` : member.state
  if (member.draining) return `${state}, draining`
  return member.cordoned ? `${state}, cordoned` : state
}

function processesOf(status: NodeStatusInfo, withGeneration: boolean): string {
  const own = `${status.role} ${status.pid}`
  const children = status.processes.map(({ role, pid, port, restarts, generation }) => {
    const again = restarts === 0 ? '' : ` (${count(restarts, 'restart')})`
    const code = withGeneration ? `, generation ${generation}` : ''
    return `${role} ${pid}${port === 0 ? '' : ` at ${port}`}${again}${code}`
  })
  return [own, ...children].join(', ')
}

function noteLine(note: string): string {
  return `  ${harmless(note).replaceAll('\n', '\n  ')}`
}
