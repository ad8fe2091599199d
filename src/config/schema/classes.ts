/** What an operator sets for one worker class. */
import { z } from 'zod'
import { id, ms, stateBytes } from './values.ts'

/** Milliseconds; 0 stands for never. */
export const sleepAfterMs = z.int().min(0).max(86_400_000)

const nearSchema = z
  .union([
    z.strictObject({
      class: z.string().describe('To the worker of that class with the same key.'),
    }),
    z.strictObject({ worker: z.string().describe('To that worker: `class/key`.') }),
    z.strictObject({ node: id.describe('To that node.') }),
    z.strictObject({ resource: z.string().describe('To a node that has it.') }),
  ])
  .describe(
    'Draws each worker to a place, which is worth as much as half a machine: `{ class: room }`, the worker of that class with the same key; `{ worker: room/lobby }`, one worker; `{ node: n1 }`; `{ resource: photos }`, a node that has it (`resources`).',
  )

const pinSchema = z
  .union([id, z.array(id).min(1).max(1_000)])
  .describe('The nodes that workers of the class may be on: one, or a list. Nowhere else, ever.')

/** Where workers of a class may be, want to be, and whether they move. */
const placeShape = {
  near: nearSchema.optional(),
  pin: pinSchema.optional(),
  spread: z
    .boolean()
    .default(false)
    .describe(
      'Keeps workers of the class apart: each other one on a node makes it dearer by half a machine.',
    ),
  stay: z
    .boolean()
    .default(false)
    .describe(
      'Workers of the class stay where they are; only a drain, a node without memory, `pin` or an operator moves them.',
    ),
  perNodeMax: z
    .int()
    .min(1)
    .optional()
    .describe('Workers of the class that one node takes at most. Default: no limit.'),
}

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
    ...placeShape,
    sleepAfterMs: sleepAfterMs
      .optional()
      .describe(
        'Milliseconds without an event until a worker falls asleep; 0: never. Default: `host.sleepAfterMs`.',
      ),
  })
  .describe('Limits of the workers of one class, and where they live.')

export const classesSchema = z
  .record(z.string(), classSchema)
  .default({})
  .describe(
    'Limits and places by worker class, under the name of the class: the file name of its module. Changes take effect at once.',
  )

export const resourcesSchema = z
  .record(z.string(), z.array(id).min(1).max(1_000))
  .default({})
  .describe(
    'What workers use and only some nodes have (a disk with files, a device): its name, and these nodes. For `near` of a class.',
  )

/** What the workers of a class are drawn to. */
export type Near = z.output<typeof nearSchema>

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
  readonly near?: Near
  /** Ids of nodes; absent: any node. */
  readonly pin?: readonly string[]
  readonly spread: boolean
  readonly stay: boolean
  /** Absent: no limit. */
  readonly perNodeMax?: number
}
