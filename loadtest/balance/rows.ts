import { AGAINST_HALF, type Contender, ORACLE } from './contenders.ts'
import type { Measured } from './simulation.ts'

/** A row of the table: one policy under one load. */
export interface Row {
  readonly where: string
  readonly fronts: number
  readonly load: number
  readonly policy: string
  readonly isOurs: boolean
  readonly requests: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** Refused, failed or not answered within the deadline, of a thousand. */
  readonly errorsPerMille: number
  /** p99.9 as a multiple of the best rival's, and of round robin's and least connections'. */
  timesBest?: number
  timesRoundRobin?: number
  timesLeastConnections?: number
}

export function rowOf(
  where: string,
  { fronts, load }: { fronts: number; load: number },
  { name, isOurs }: Contender,
  { latencies, errors }: Pick<Measured, 'latencies' | 'errors'>,
): Row {
  const sorted = Float64Array.from(latencies).toSorted()
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
  return {
    where,
    fronts,
    load,
    policy: name,
    isOurs,
    requests: sorted.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    errorsPerMille: (1_000 * errors) / sorted.length,
  }
}

/** Fills in what our rows are compared to; `rows`: of one load and number of fronts. */
export function compare(rows: readonly Row[]): void {
  const rivals = rows.filter(({ isOurs, policy }) => !isOurs && policy !== ORACLE)
  if (rivals.length === 0) return
  const best = Math.min(...rivals.map(({ p999Ms }) => p999Ms))
  const of = (name: string | undefined): number =>
    rivals.find(({ policy }) => policy === name)?.p999Ms ?? Number.NaN
  for (const row of rows) {
    if (!row.isOurs) continue
    row.timesBest = row.p999Ms / best
    row.timesRoundRobin = row.p999Ms / of(AGAINST_HALF[0])
    row.timesLeastConnections = row.p999Ms / of(AGAINST_HALF[1])
  }
}
