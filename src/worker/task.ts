/** What authors of tasks see: `export default (request, ctx) => Response`. */

export interface TaskContext {
  /** The node that the task runs on. */
  readonly node: string
  /** Name of the task: its module's file name. */
  readonly task: string
}

export type Task = (request: Request, ctx: TaskContext) => Response | Promise<Response>
