/** What `import … from 'aries'` gives to the authors of workers and tasks. */
export { CallError } from './call-error.ts'
export type { WorkerSocket } from './socket.ts'
export type { State } from './state.ts'
export type { Task, TaskContext } from './task.ts'
export type { WorkerTcpSocket } from './tcp-socket.ts'
export {
  type AlarmSetting,
  type Durability,
  type IdempotencyLimits,
  type StopReason,
  Worker,
  type WorkerClass,
  type WorkerContext,
} from './worker.ts'
export type { CallOptions, WorkerCalls, WorkerHandle, Workers } from './workers.ts'
