/** What the pool's main thread and its task threads say to each other, by structured clone. */
export interface TaskCall {
  /** Name of the task, and the absolute path of its module. */
  readonly task: string
  readonly file: string
  readonly node: string
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array | undefined
  /** Largest body that the reply may have. */
  readonly replyBytesMax: number
}

export interface TaskAnswer {
  readonly ok: true
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array | undefined
}

/** What went wrong: a sentence for the client, the stack for the log. */
export interface TaskFailure {
  readonly ok: false
  readonly message: string
  readonly stack: string | undefined
}

export type TaskReply = TaskAnswer | TaskFailure

/** Something that a task left behind failed after it had answered. */
export interface StrayFailure {
  readonly task: string | undefined
  readonly message: string
  readonly stack: string | undefined
}
