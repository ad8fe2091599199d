/** What an operator sets for one worker class. */
import { z } from 'zod'
import { ms, stateBytes } from './values.ts'

/** Milliseconds; 0 stands for never. */
export const sleepAfterMs = z.int().min(0).max(86_400_000)

export const classSchema = z
  .strictObject({
    queueMax: z
      .int()
      .min(1)
      .optional()
      .describe(
        'Events that may wait in the mailbox of one worker; more are answered 503 at once. Default: `host.queueMax`.',
      ),
    requestTimeoutMs: ms
      .optional()
      .describe(
        'Longest turn, and longest wait in the mailbox, milliseconds; then 504. The fronts wait `front.responseTimeoutMs` for both together. Default: `host.requestTimeoutMs`.',
      ),
    stateBytesMax: stateBytes
      .optional()
      .describe(
        'Largest state of one worker, bytes as stored; a turn that makes it larger is undone. Default: `host.stateBytesMax`.',
      ),
    readsMax: z
      .int()
      .min(1)
      .max(1_000)
      .default(1)
      .describe(
        'GET and HEAD requests of one worker that may run at the same time. Above 1 they may change nothing and send nothing.',
      ),
    standby: z
      .int()
      .min(0)
      .max(1)
      .default(0)
      .describe(
        'Nodes that keep a copy of each worker in memory, in step with its commits: when its node dies the worker goes on there without being loaded from the store. Costs the memory of the state and the traffic of its changes.',
      ),
    isolation: z
      .enum(['shared', 'process'])
      .default('shared')
      .describe(
        '`process`: each worker has a host process to itself, so that a crash or a turn that never ends touches no other; it costs some 60 MB of memory and a third of a second to open. `shared`: the workers of a node share one.',
      ),
    memoryMb: z
      .int()
      .min(64)
      .optional()
      .describe(
        'Heap of that process, mebibytes; with `isolation: process`. Default: `host.memoryMb`.',
      ),
    sleepAfterMs: sleepAfterMs
      .optional()
      .describe(
        'Milliseconds without an event until a worker falls asleep; 0: never. Default: `host.sleepAfterMs`.',
      ),
  })
  .describe('Limits of the workers of one class.')

export const classesSchema = z
  .record(z.string(), classSchema)
  .default({})
  .describe(
    'Limits by worker class, under the name of the class: the file name of its module. Changes take effect at once.',
  )

export type ClassOptions = z.input<typeof classSchema>

/** A worker class as the processes use it: its module, and every option filled in. */
export interface ClassConfig {
  /** Absolute path of its module. */
  readonly file: string
  readonly queueMax: number
  readonly requestTimeoutMs: number
  readonly sleepAfterMs: number
  readonly stateBytesMax: number
  readonly readsMax: number
  readonly standby: number
  readonly isolation: 'shared' | 'process'
  readonly memoryMb: number
}
