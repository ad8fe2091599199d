/** The shape of a scenario file; what the keys mean for people stands in docs/reference/scenarios.md. */
import { z } from 'zod'

const seconds = z.number().min(0).max(1e7)
const amount = z.number().positive().max(1e9)

/** A figure of each job, drawn anew for every one. */
const drawn = z
  .union([
    z.strictObject({ fixed: amount.describe('The same for every job.') }),
    z.strictObject({
      inverse: amount.describe('This divided by a number drawn evenly from (0, 1]: a heavy tail.'),
      max: amount.optional().describe('Most that it may come to.'),
    }),
    z.strictObject({
      exponential: amount.describe('The mean of an exponential distribution.'),
      max: amount.optional().describe('Most that it may come to.'),
    }),
    z.strictObject({
      uniform: z.tuple([z.number().min(0), amount]).describe('Drawn evenly between the two.'),
    }),
  ])
  .describe('A distribution.')

const machine = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be lower-case letters, digits and dashes, at most 32')
    .describe('Its name; with `count`, `-1`, `-2` and so on are put behind it.'),
  count: z.int().min(1).max(1_024).default(1).describe('As many of the same kind.'),
  cores: z.int().min(1).max(1_024).default(1).describe('Jobs that run at full speed at once.'),
  speed: z.number().positive().max(1_000).default(1).describe('CPU seconds done in a second.'),
  memoryMb: amount.describe('Memory; jobs that need more together thrash.'),
})

const failure = z.strictObject({
  machine: z.string().describe('Which machine, by its full name.'),
  atS: seconds.describe('When it begins.'),
  forS: z.number().positive().max(1e7).describe('How long it lasts.'),
  speedLeft: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Part of the speed that is left to jobs; 0: the machine is down, its jobs are lost.'),
})

const published = z.strictObject({
  policy: z.string(),
  to: z.string(),
  ratio: z.number().positive(),
})

export const scenarioSchema = z
  .strictObject({
    about: z.string().default('').describe('One or two sentences, printed above the results.'),
    beside: z
      .array(z.string())
      .max(8)
      .default([])
      .describe('Scenarios that are run with it: other readings of the same.'),
    machines: z.array(machine).min(1).max(256),
    jobs: z.strictObject({
      untilS: z.number().positive().max(1e7).describe('Jobs arrive up to this second.'),
      everyS: z.number().min(0.001).max(1e6).describe('Mean time between two arrivals.'),
      gaps: z
        .enum(['exponential', 'geometric', 'even'])
        .default('exponential')
        .describe('How that time is distributed; `geometric`: whole seconds.'),
      cpuS: drawn.describe('CPU seconds of a job on a machine of speed 1.'),
      memoryMb: drawn.describe('Memory of a job, known when it arrives.'),
      batches: z
        .strictObject({
          part: z.number().min(0).max(1).describe('Part of the arrivals that are batches.'),
          jobsMax: z.int().min(1).max(1_000).describe('A batch is 1 to so many jobs at once.'),
          cpuTimes: amount.describe('Its CPU seconds are so many times those of a single job.'),
          share: z
            .enum(['divided', 'each'])
            .describe('`divided`: among its jobs; `each`: every one of them has as many.'),
        })
        .optional(),
    }),
    thrashing: z
      .number()
      .min(1)
      .max(1_000)
      .default(10)
      .describe('How many times slower jobs run on a machine whose memory is overfull.'),
    newsS: z
      .number()
      .min(0)
      .max(60)
      .default(0)
      .describe('Between two tellings of a machine’s load; 0: everything is known at once.'),
    roundS: z
      .number()
      .min(0.1)
      .max(600)
      .default(1)
      .describe('Between two rounds in which a machine considers moving its jobs.'),
    look: z
      .int()
      .min(1)
      .max(64)
      .default(2)
      .describe('Random machines that MOSIX and E-MOSIX look at in a round.'),
    failures: z.array(failure).max(1_000).default([]),
    published: z
      .array(published)
      .max(100)
      .default([])
      .describe('Ratios of mean slowdowns from elsewhere, printed beside ours.'),
  })
  .describe('A scenario of `aries simulate`.')

export type Drawn = z.output<typeof drawn>
export type ScenarioFile = z.output<typeof scenarioSchema>
export type Failure = z.output<typeof failure>

/** A machine as the scenario sets it up. */
export interface MachineInit {
  readonly id: string
  readonly cores: number
  readonly speed: number
  readonly memoryMb: number
}

/** A scenario, checked, its machines one by one. */
export interface Scenario extends Omit<ScenarioFile, 'machines'> {
  readonly name: string
  readonly machines: readonly MachineInit[]
}
