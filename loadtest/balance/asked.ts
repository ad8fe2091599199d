import { AGAINST_HALF, ORACLE } from './contenders.ts'
import type { Row } from './rows.ts'

/** A figure that was asked for, beside what was measured. */
export interface Asked {
  readonly what: string
  readonly policy: string
  /** `≤ 0.5`; empty: nothing was asked. */
  readonly asked: string
  readonly measured: number
  /** What the oracle has: no policy can do better. */
  readonly oracle?: number
}

/** Of all fronts to one. */
const FRONTS_ASKED = 4
const FRONTS_MAX = 1.1
/** Above the capacity everyone's p99.9 is the deadline. */
const CAPACITY = 1

/** What is asked of our p99.9, step by step. */
export function askedOfSteps(rows: readonly Row[]): Asked[] {
  const asked: Asked[] = []
  const ours = rows.filter(({ policy, load }) => policy === 'Aries' && load < CAPACITY)
  for (const row of ours) {
    const { fronts, load } = row
    const step = rows.filter((other) => other.fronts === fronts && other.load === load)
    const at = `${fronts} front(s), load ${load}`
    const oracle = rows.find((other) => other.policy === ORACLE && other.load === load)?.p999Ms
    const compared = (what: string, bound: string, ms: number | undefined): void => {
      if (ms === undefined) return
      asked.push({
        what: `p99.9 of ${what}, ${at}`,
        policy: row.policy,
        asked: bound,
        measured: row.p999Ms / ms,
        ...(oracle !== undefined && { oracle: oracle / ms }),
      })
    }
    const rivals = step.filter(({ isOurs, policy }) => !isOurs && policy !== ORACLE)
    compared('the best rival', '≤ 1', Math.min(...rivals.map(({ p999Ms }) => p999Ms)))
    for (const name of AGAINST_HALF) {
      compared(name, '≤ 0.5', step.find(({ policy }) => policy === name)?.p999Ms)
    }
    if (fronts !== FRONTS_ASKED) continue
    const one = ours.find((other) => other.fronts === 1 && other.load === load)
    compared('ours with one front', `≤ ${FRONTS_MAX}`, one?.p999Ms)
  }
  return asked
}

/** Whether what was asked is missed. */
export function isMissed({ asked, measured }: Asked): boolean {
  const [sign, bound] = asked.split(' ')
  if (sign === '≥') return measured < Number(bound)
  return sign === '≤' && measured > Number(bound)
}

/** Whether anyone could have what was asked. */
export function isReachable({ asked, oracle }: Asked): boolean {
  return oracle === undefined || oracle <= Number(asked.split(' ')[1])
}
