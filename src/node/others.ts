import type { GossipDriver } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import type { Children } from './children.ts'
import type { Ownership } from './ownership.ts'
import type { StandbyHosts } from './standby-hosts.ts'

interface Parts {
  readonly gossip: GossipDriver
  readonly standbyHosts: StandbyHosts
  readonly children: Children
  readonly ownership: Ownership
  readonly log: Logger
}

/** Has a node follow what becomes of the others: those that die are evicted. */
export function followOthers(parts: Parts, isStopping: () => boolean): void {
  const { gossip, standbyHosts, children, ownership, log } = parts
  gossip.onChange(({ member: { id, role, state }, before }) => {
    standbyHosts.refresh()
    if (role !== 'node' || state === before) return
    children.setDead(id, state === 'unreachable')
    ownership.noticed(id, state)
    if (state !== 'unreachable') return
    ownership.evictUnreachable(id).catch((error: unknown) => {
      if (!isStopping()) log.error({ err: error, node: id }, 'could not evict')
    })
  })
}
