import { Oracle } from './oracle.ts'
import { Ours } from './ours.ts'
import type { PolicyMaker } from './policy.ts'
import { Prequal } from './prequal.ts'
import {
  LeastConnections,
  LeastTime,
  PeakEwma,
  PowerOfTwo,
  RandomPolicy,
  RoundRobin,
} from './rivals.ts'

export interface Contender {
  readonly name: string
  readonly make: PolicyMaker
  /** Backends tell their load on each answer, as pools do. */
  readonly tells: boolean
  readonly isOurs: boolean
}

const rival = (name: string, make: PolicyMaker): Contender => ({
  name,
  make,
  tells: false,
  isOurs: false,
})

export const AGAINST_HALF = ['round robin', 'least connections']
export const BY_CHANCE = 'random'
export const ORACLE = 'oracle'

export const CONTENDERS: readonly Contender[] = [
  rival(BY_CHANCE, (init) => new RandomPolicy(init)),
  rival('round robin', (init) => new RoundRobin(init)),
  rival('least connections', (init) => new LeastConnections(init)),
  rival('power of two', (init) => new PowerOfTwo(init)),
  rival('peak EWMA', (init) => new PeakEwma(init)),
  rival('least time', (init) => new LeastTime(init)),
  rival('Prequal', (init) => new Prequal(init)),
  { name: 'Aries', make: (init) => new Ours(init), tells: true, isOurs: true },
  { name: 'Aries, untold', make: (init) => new Ours(init), tells: false, isOurs: true },
]

/** Capacity to be used, as multiples of the load: under each load another one is best. */
const ORACLE_SLACKS = [1.02, 1.05, 1.2]

/** Not rivals: the best of them shows what is possible at all. With one front, in the simulator. */
export const ORACLES: readonly Contender[] = ORACLE_SLACKS.map((slack) =>
  rival(ORACLE, (init) => new Oracle(init, slack)),
)
