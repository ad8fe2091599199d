import type { Config } from '../config/schema.ts'
import type { Membership } from '../gossip/types.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world.ts'
import { Affinities } from './affinities.ts'
import type { OpenWorkers } from './open-workers.ts'
import { Placer } from './placer.ts'
import { SentWork } from './sent-work.ts'

export interface PlacementComponents {
  readonly membership: Membership
  readonly store: Store
  readonly open: OpenWorkers
  readonly world: World
}

/** What decides on which node a worker lives; `config` is asked for what is in force. */
export function placementOf(
  { membership, store, open, world }: PlacementComponents,
  { node, config }: { readonly node: string; readonly config: () => Config },
): { placer: Placer; affinities: Affinities } {
  const sent = new SentWork((id) => membership.member(id)?.load)
  const affinities = new Affinities(
    { membership, store, open, sent, clock: world.clock },
    { node, config },
  )
  const placer = new Placer(
    { membership, affinities, sent, world },
    {
      node,
      candidates: () => config().placement.candidates,
      hasStandby: (name) => (config().classes.get(name)?.standby ?? 0) > 0,
    },
  )
  return { placer, affinities }
}
