/** Section of the jobs: `aries run`. */
import { z } from 'zod'
import { ms } from './values.ts'

export const jobsSchema = z
  .strictObject({
    folders: z
      .array(z.string().min(1))
      .max(100)
      .default([])
      .describe(
        'Folders, relative to this file, whose modules `aries run` may run, with all below them. Every node must have them at that place. None: no jobs.',
      ),
    output: z
      .string()
      .min(1)
      .default('../data/jobs')
      .describe('Folder, relative to this file, where the nodes keep what jobs print.'),
    environment: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/))
      .max(100)
      .default([])
      .describe(
        "Variables of the node's environment that its jobs see too, besides PATH, HOME, USER, LANG, LC_ALL, TZ and TMPDIR.",
      ),
    cpu: z
      .number()
      .min(0.01)
      .max(1_024)
      .optional()
      .describe(
        'Cores that the jobs of one node may ask for together; when no node has enough left they queue. Default: all of its cores.',
      ),
    queueMax: z
      .int()
      .min(1)
      .max(10_000)
      .default(1_000)
      .describe('Jobs of the whole cluster that may wait for room; more are refused at once.'),
    outputBytesMax: z
      .int()
      .min(65_536)
      .max(10_737_418_240)
      .default(16_777_216)
      .describe('Output kept of one job, bytes; of more the newest is kept.'),
    keep: z
      .int()
      .min(1)
      .max(10_000)
      .default(500)
      .describe('Jobs that are remembered, with their output, after they ended.'),
    keepHours: z
      .int()
      .min(1)
      .max(8_760)
      .default(168)
      .describe('Hours after its start that a job is forgotten at the latest, if it has ended.'),
    graceMs: ms
      .default(5_000)
      .describe(
        'Milliseconds between the SIGTERM and the SIGKILL of a job that is to end: killed, or its node stops.',
      ),
    drainMs: ms
      .default(10_000)
      .describe('Longest wait of a drain for the jobs of its node, milliseconds.'),
  })
  .prefault({})
  .describe('Jobs: `aries run`.')
