import type { ClusterMap } from '../config/schema.ts'
import type { Claim } from './claim.ts'
import type { Place } from './member-table.ts'
import type { GossipTimes } from './presets.ts'

/** What a core is made from. */
export interface CoreInit {
  readonly selfId: string
  readonly map: ClusterMap
  /** `hashMap(map)`. */
  readonly mapHash: string
  readonly times: GossipTimes
  /** Wall clock at the start of this life, in milliseconds; larger than that of earlier lives. */
  readonly boot: number
  readonly payloadBytesMax: number
  readonly nowMs: number
  /** What is known of others from before: of a cluster that is simulated as it is after hours. */
  readonly known?: readonly Claim[]
  /** Where this member is, when the map does not have it. */
  readonly joining?: Place | undefined
}
