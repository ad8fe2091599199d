import type { GossipDriver, Member, MemberState } from '../gossip/types.ts'
import type { MetricTable } from './metrics.ts'

const STATES: readonly MemberState[] = ['alive', 'suspect', 'unreachable', 'left']

/** What every member tells of the cluster as it sees it. */
export const MEMBER_METRICS: MetricTable<GossipDriver> = [
  [
    {
      name: 'aries_members',
      help: 'Members of the cluster by state, as this process sees them.',
      kind: 'gauge',
      labels: ['role', 'state'],
    },
    (membership) =>
      (['node', 'front'] as const).flatMap((role) =>
        STATES.map((state): [Record<string, string>, number] => [
          { role, state },
          membership.members().filter((m) => m.role === role && m.state === state).length,
        ]),
      ),
  ],
  [
    {
      name: 'aries_load_age_seconds',
      help: 'Age of the newest load vector of each node.',
      kind: 'gauge',
      labels: ['node'],
    },
    ofEachNode((m) => m.loadAgeMs / 1_000),
  ],
  [
    {
      name: 'aries_cpu_capacity_cores',
      help: 'Cores of each node, within its cgroup, times their speed.',
      kind: 'gauge',
      labels: ['node'],
    },
    ofEachNode((m) => m.load!.cpuCapacity),
  ],
  [
    {
      name: 'aries_gossip_datagrams_total',
      help: 'Datagrams of gossip: sent, received; of these strange (not from an address of the map), limited (too many of one member), both not opened; refused (opened, not used).',
      kind: 'counter',
      labels: ['what'],
    },
    ({ counts }) =>
      Object.entries(counts).map(([what, count]): [Record<string, string>, number] => [
        { what },
        count,
      ]),
  ],
  [
    {
      name: 'aries_gossip_opened_total',
      help: 'Datagrams of gossip that were opened, by the id of the key that they were sealed with.',
      kind: 'counter',
      labels: ['key'],
    },
    (gossip) =>
      [...gossip.openedByKey()].map(([key, count]): [Record<string, string>, number] => [
        { key },
        count,
      ]),
  ],
]

/** A figure of each node whose load is known. */
function ofEachNode(figure: (node: Member) => number) {
  return (membership: GossipDriver) =>
    membership
      .members()
      .filter((m) => m.role === 'node' && m.load)
      .map((m): [Record<string, string>, number] => [{ node: m.id }, figure(m)])
}
