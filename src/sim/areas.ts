import type { SimArea } from './area.ts'

/** Every area that `npm run sim` knows. */
export const areas: readonly SimArea[] = []
