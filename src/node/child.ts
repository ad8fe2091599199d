import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { World } from '../world.ts'

const READY_TIMEOUT_MS = 15_000

export interface ChildInit<To> {
  /** `pool`, `host`. */
  readonly role: string
  readonly entry: URL
  readonly execArgv?: readonly string[]
  /** Leads a session of its own: what ends the node's process group does not reach it. */
  readonly detached?: boolean
  /** The first message to the process. */
  readonly setup: To
}

export interface ChildHandlers<From> {
  readonly message: (message: From) => void
  /** The process is gone, asked or not; `how` says it in words. */
  readonly down: (how: string, ranMs: number) => void
}

/**
 * A process of a node, from fork to exit. Its life ends with the node's, because it ends itself
 * when the IPC channel closes.
 */
export class Child<To extends object, From extends { readonly type: string }> {
  readonly #log: Logger
  readonly #world: World
  readonly #init: ChildInit<To>
  readonly #handlers: ChildHandlers<From>
  readonly #ended = Promise.withResolvers<string>()
  #process: ChildProcess | undefined
  #port = 0
  #ready: (() => void) | undefined

  constructor(
    components: { log: Logger; world: World },
    init: ChildInit<To>,
    handlers: ChildHandlers<From>,
  ) {
    this.#log = components.log
    this.#world = components.world
    this.#init = init
    this.#handlers = handlers
  }

  /** That it listens on; 0 before it does and after it ended. */
  get port(): number {
    return this.#port
  }

  /** 0 before it was started and after it ended. */
  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Starts the process; resolves when it listens, rejects when it never does. */
  start(): Promise<void> {
    const { role } = this.#init
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        late.cancel()
        reject(new AriesError('ARIES_E_NO_TARGET', `the new ${role} process ${why}`))
      }
      const late = this.#world.clock.after(READY_TIMEOUT_MS, () => {
        this.kill()
        fail(`was not ready after ${READY_TIMEOUT_MS} ms`)
      })
      this.#ready = () => {
        late.cancel()
        resolve()
      }
      void this.#ended.promise.then(fail)
      this.#spawn()
    })
  }

  send(message: To): void {
    const child = this.#process
    if (!child?.connected) return
    child.send(message, (error) => {
      // The exit handler deals with a process that died meanwhile.
      if (error) this.#log.debug({ err: error }, 'message to child not sent')
    })
  }

  /** Ends the process at once. */
  kill(): void {
    this.#process?.kill('SIGKILL')
  }

  /** Asks the process to finish, waits `graceMs`, then kills it. */
  async stop(shutdown: To, graceMs: number): Promise<void> {
    if (!this.#process) return
    this.send(shutdown)
    const kill = this.#world.clock.after(graceMs, () => this.kill())
    await this.#ended.promise
    kill.cancel()
  }

  #spawn(): void {
    const startedMs = this.#world.clock.nowMs()
    const child = fork(fileURLToPath(this.#init.entry), [], {
      serialization: 'advanced',
      detached: this.#init.detached ?? false,
      execArgv: [...(this.#init.execArgv ?? [])],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process = child
    child.on('message', (message) => {
      const said = message as From & { port?: number }
      if (said.type === 'ready' && typeof said.port === 'number') {
        this.#port = said.port
        this.#ready?.()
      } else {
        this.#handlers.message(said)
      }
    })
    child.on('error', (error) => this.#log.error({ err: error, role: this.#init.role }, 'child'))
    child.once('exit', (code, signal) => {
      this.#port = 0
      this.#process = undefined
      const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
      this.#ended.resolve(how)
      this.#handlers.down(how, this.#world.clock.nowMs() - startedMs)
    })
    this.send(this.#init.setup)
  }
}
