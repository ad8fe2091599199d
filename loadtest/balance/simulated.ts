/** The part of `bench:balance` in virtual time. */
import { progress } from '../report.ts'
import type { Asked } from './asked.ts'
import { BY_CHANCE, CONTENDERS, type Contender, ORACLES } from './contenders.ts'
import { MODEL, type Model } from './model.ts'
import { compare, type Row, rowOf } from './rows.ts'
import { type Scenario, simulate } from './simulation.ts'

const BACKENDS = 100
const FRONTS = [1, 4, 16]
const DEADLINE_MS = 2_000
const FAIR_BACKENDS = 16

export interface SimulatedOptions {
  readonly loads: readonly number[]
  readonly measuredMs: number
  readonly fronts?: readonly number[]
}

function scenario(parts: Partial<Scenario> & { model: Model }): Scenario {
  return {
    fronts: 1,
    load: 0.7,
    warmUpMs: 2_000,
    measuredMs: 5_000,
    seed: 1,
    deadlineMs: DEADLINE_MS,
    ...parts,
  }
}

/** Every policy under every load, with one front and with several. */
export function runSteps({ loads, measuredMs, fronts = FRONTS }: SimulatedOptions): Row[] {
  const model: Model = { ...MODEL, backends: BACKENDS }
  const rows: Row[] = []
  for (const count of fronts) {
    for (const load of loads) {
      progress(`simulated: ${count} front(s), load ${load}`)
      const one = scenario({ model, fronts: count, load, measuredMs })
      const step = CONTENDERS.map((contender) =>
        rowOf('simulated', one, contender, simulate(one, contender)),
      )
      compare(step)
      if (count === 1) step.push(oracleRow(one))
      rows.push(...step)
    }
  }
  return rows
}

/** The best that one who knows everything does. */
function oracleRow(one: Scenario): Row {
  const rows = ORACLES.map((oracle) => rowOf('simulated', one, oracle, simulate(one, oracle)))
  return rows.reduce((a, b) => (b.p999Ms < a.p999Ms ? b : a))
}

/** Goodput on equal backends as a part of that by chance, and the share of one that fails fast. */
export function runFairness(measuredMs: number): Asked[] {
  const equal: Model = { ...MODEL, backends: FAIR_BACKENDS, speeds: [2], perAntagonist: 0 }
  const ours = CONTENDERS.filter(({ isOurs }) => isOurs)
  const chance = CONTENDERS.find(({ name }) => name === BY_CHANCE)!
  const asked: Asked[] = []
  for (const load of [0.7, 0.9, 1.3]) {
    progress(`simulated: equal backends, load ${load}`)
    const one = scenario({ model: equal, load, measuredMs })
    const byChance = goodput(one, chance)
    for (const contender of ours) {
      asked.push({
        what: `goodput of random's, equal backends, load ${load}`,
        policy: contender.name,
        asked: '≥ 0.97',
        measured: goodput(one, contender) / byChance,
      })
    }
  }
  for (const contender of CONTENDERS) {
    const model: Model = { ...MODEL, backends: FAIR_BACKENDS }
    const failing = scenario({ model, failsFromMs: 3_000, warmUpMs: 4_000, measuredMs: 4_000 })
    const { sentTo } = simulate(failing, contender)
    const all = sentTo.reduce((sum, sent) => sum + sent, 0)
    asked.push({
      what: 'share of one that fails in 1 ms, of its fair one, 1 to 5 s later',
      policy: contender.name,
      asked: contender.isOurs ? '≤ 0.1' : '',
      measured: (sentTo[0]! * FAIR_BACKENDS) / all,
    })
  }
  return asked
}

function goodput(one: Scenario, contender: Contender): number {
  const { latencies, errors } = simulate(one, contender)
  return latencies.length - errors
}
