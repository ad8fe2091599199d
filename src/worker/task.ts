/** What authors of tasks see: `export default (request, ctx) => Response`. */

import type { Workers } from './workers.ts'

export interface TaskContext {
  /** The node that the task runs on. */
  readonly node: string
  /** Name of the task: its module's file name. */
  readonly task: string
  /** Workers, to fetch from and to call. */
  readonly workers: Workers
}

export type Task = (request: Request, ctx: TaskContext) => Response | Promise<Response>
