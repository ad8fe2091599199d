import type { SimArea } from './area.ts'
import { gossipArea } from './gossip-area.ts'
import { moveArea } from './move-area.ts'
import { placementArea } from './placement-area.ts'

/** Every area that `npm run sim` knows. */
export const areas: readonly SimArea[] = [gossipArea, placementArea, moveArea]
