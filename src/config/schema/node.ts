/** Sections of the nodes: tasks, workers, their moves, where they are placed. */
import { z } from 'zod'
import { sleepAfterMs } from './classes.ts'
import { ms, stateBytes } from './values.ts'

export const poolSchema = z
  .strictObject({
    threads: z
      .int()
      .min(1)
      .max(256)
      .optional()
      .describe('Threads for tasks on each node; default one per core.'),
    taskTimeoutMs: ms
      .default(10_000)
      .describe('Longest run of a task, milliseconds; then its thread is ended.'),
    taskMemoryMb: z
      .int()
      .min(16)
      .max(65_536)
      .default(256)
      .describe('Heap of one task thread, mebibytes; a task that needs more is ended.'),
    queueMax: z
      .int()
      .min(1)
      .default(1_000)
      .describe('Tasks that may wait for a thread; more are answered 503 at once.'),
    bodyBytesMax: z
      .int()
      .min(0)
      .default(10_485_760)
      .describe('Largest request or response body of a task, bytes; it is held in memory.'),
  })
  .prefault({})
  .describe('Tasks: limits of the pool on each node.')

export const hostSchema = z
  .strictObject({
    requestTimeoutMs: ms.default(30_000).describe('Longest turn of a worker, milliseconds.'),
    sleepAfterMs: sleepAfterMs
      .default(60_000)
      .describe(
        'Milliseconds without an event until a worker falls asleep; 0: never. A minute: longer than the pauses of who is at work with it, and far above what waking costs.',
      ),
    queueMax: z
      .int()
      .min(1)
      .default(1_000)
      .describe('Events that may wait in one mailbox; more are answered 503 at once.'),
    bodyBytesMax: z
      .int()
      .min(0)
      .default(10_485_760)
      .describe('Largest request body of a worker, bytes; it is held in memory.'),
    messageBytesMax: z
      .int()
      .min(1)
      .default(1_048_576)
      .describe('Largest WebSocket message, bytes; a longer one closes the session with 1009.'),
    stateBytesMax: stateBytes
      .default(268_435_456)
      .describe(
        'Largest state of one worker, bytes as stored; a turn that makes it larger is undone and its request gets 500.',
      ),
    memoryMb: z.int().min(64).default(2_048).describe('Heap of a host process, mebibytes.'),
    spare: z
      .boolean()
      .default(true)
      .describe(
        'Keep a spare host process, so that the workers of one that dies serve again at once. It costs about 45 MB of memory on each node.',
      ),
    freezeState: z
      .boolean()
      .optional()
      .describe(
        'For development: a change in place of a value of `this.state` fails the turn instead of being forgotten later. Slower. Default: true under `aries dev`, else false.',
      ),
    leaseMs: ms
      .default(5_000)
      .describe(
        'Milliseconds that a node that lost the store goes on serving reads; also the longest time until others may take over its workers.',
      ),
  })
  .prefault({})
  .describe('Workers: limits of the host on each node.')

export const callsSchema = z
  .strictObject({
    timeoutMs: ms
      .default(15_000)
      .describe(
        'Longest wait for an answer, milliseconds, with the time to find the owner, in a failover for instance; a call may ask for another.',
      ),
    perWorkerMax: z
      .int()
      .min(1)
      .default(1_000)
      .describe('Calls of one worker or task thread that may be under way; more fail at once.'),
    inFlightMax: z
      .int()
      .min(1)
      .default(10_000)
      .describe('Calls of one host or pool process that may be under way; more fail at once.'),
  })
  .prefault({})
  .describe('Calls from workers and tasks to workers.')

export const moveSchema = z
  .strictObject({
    fenceTimeoutMs: ms
      .default(500)
      .describe('Milliseconds from the closed mailbox to the commit; then the move is given up.'),
    copyTimeoutMs: ms
      .default(60_000)
      .describe('Longest COPY phase, milliseconds; the worker serves meanwhile.'),
    turnBudgetMs: ms
      .default(2_000)
      .describe(
        'Milliseconds that the fence waits for the running turn; then the move is given up.',
      ),
    concurrency: z
      .int()
      .min(1)
      .max(64)
      .default(8)
      .describe('Moves out of a node at a time, at a drain; more only wait for each other.'),
  })
  .prefault({})
  .describe('Live moves of workers.')

export const placementSchema = z
  .strictObject({
    candidates: z
      .int()
      .min(1)
      .max(64)
      .default(3)
      .describe(
        'Random nodes compared for the place of a worker; few, so that not all choosers run to the same one.',
      ),
    rebalanceIntervalMs: ms
      .default(1_000)
      .describe('Milliseconds between two looks for a worker that would cost less elsewhere.'),
    hysteresis: z
      .number()
      .min(0)
      .max(10)
      .default(0.05)
      .describe(
        'Least part of the cost that a move must save; 0.05 is a twentieth. Less makes workers wander, more leaves nodes unequal.',
      ),
  })
  .prefault({})
  .describe('Choosing nodes.')
