import { Aries } from './policies/aries.ts'
import { EMosix, EPvm } from './policies/e-pvm.ts'
import { LeastLoaded } from './policies/least-loaded.ts'
import { Mosix } from './policies/mosix.ts'
import { RoundRobin } from './policies/round-robin.ts'
import type { Policy, PolicyInit } from './policy.ts'

/** Every policy that `aries simulate` knows, by name; in this order they are printed. */
export const POLICIES: ReadonlyMap<string, new (init: PolicyInit) => Policy> = new Map<
  string,
  new (
    init: PolicyInit,
  ) => Policy
>([
  ['round-robin', RoundRobin],
  ['least-loaded', LeastLoaded],
  ['e-pvm', EPvm],
  ['mosix', Mosix],
  ['e-mosix', EMosix],
  ['aries', Aries],
])
