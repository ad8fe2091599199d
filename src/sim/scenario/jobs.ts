import { type Random, randomInt } from '../../world.ts'
import type { Drawn, Scenario } from './schema.ts'

/** A job as it arrives; the same for every policy. */
export interface Job {
  readonly arrivesS: number
  /** CPU seconds on a machine of speed 1; no policy knows them. */
  readonly cpuS: number
  readonly memoryMb: number
}

/** The stream of jobs of one seed, in the order of arrival. */
export function drawJobs({ jobs: init }: Scenario, random: Random): Job[] {
  const jobs: Job[] = []
  for (let atS = gapS(init, random); atS < init.untilS; atS += gapS(init, random)) {
    const cpuS = draw(init.cpuS, random)
    const memoryMb = draw(init.memoryMb, random)
    const { batches } = init
    if (batches === undefined || random.next() >= batches.part) {
      jobs.push({ arrivesS: atS, cpuS, memoryMb })
      continue
    }
    const count = 1 + randomInt(random, batches.jobsMax)
    const eachS = (cpuS * batches.cpuTimes) / (batches.share === 'divided' ? count : 1)
    for (let i = 0; i < count; i++) jobs.push({ arrivesS: atS, cpuS: eachS, memoryMb })
  }
  return jobs
}

function gapS({ everyS, gaps }: Scenario['jobs'], random: Random): number {
  if (gaps === 'even') return everyS
  const one = evenly(random)
  if (gaps === 'exponential') return -everyS * Math.log(one)
  // Thesis, eq. 3.4: P(z) = (1 - b) b^(z - 1), of mean 1 / (1 - b).
  return everyS <= 1 ? 1 : Math.max(1, Math.ceil(Math.log(one) / Math.log(1 - 1 / everyS)))
}

function draw(drawn: Drawn, random: Random): number {
  if ('fixed' in drawn) return drawn.fixed
  if ('uniform' in drawn) {
    const [from, to] = drawn.uniform
    return from + evenly(random) * (to - from)
  }
  const value =
    'inverse' in drawn
      ? drawn.inverse / evenly(random)
      : -drawn.exponential * Math.log(evenly(random))
  return Math.min(value, drawn.max ?? Number.POSITIVE_INFINITY)
}

/** In (0, 1]. */
function evenly(random: Random): number {
  return 1 - random.next()
}
