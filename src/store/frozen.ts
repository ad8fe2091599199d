/** While a worker has this section, of Aries' own and empty, it is frozen: see `src/host/freeze.ts`. */
export const FROZEN_SECTION = '\u0001frozen'
