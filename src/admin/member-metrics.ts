import type { MemberState, Membership } from '../gossip/types.ts'
import type { MetricTable } from './metrics.ts'

const STATES: readonly MemberState[] = ['alive', 'suspect', 'unreachable', 'left']

/** What every member tells of the cluster as it sees it. */
export const MEMBER_METRICS: MetricTable<Membership> = [
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
    (membership) =>
      membership
        .members()
        .filter((m) => m.role === 'node' && m.load)
        .map((m): [Record<string, string>, number] => [{ node: m.id }, m.loadAgeMs / 1_000]),
  ],
]
