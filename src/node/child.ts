import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Logger } from '../log.ts'
import type { TimerHandle, World } from '../world.ts'

const BACKOFF_MIN_MS = 50
const BACKOFF_MAX_MS = 5_000
/** A child that ran this long is well again: the next restart is quick. */
const HEALTHY_MS = 10_000
const READY_TIMEOUT_MS = 15_000

export interface ChildInit<To> {
  /** `pool`, `host`. */
  readonly role: string
  readonly entry: URL
  readonly execArgv?: readonly string[]
  /** The first message to each new process. */
  readonly setup: () => To
}

export interface ChildHandlers<From> {
  readonly message: (message: From) => void
  /** The process listens on `port`. */
  readonly up: (port: number) => void
  /** The process is gone; another is started unless `stop` was called. */
  readonly down: () => void
}

/**
 * A process of a node, kept running: forked, set up, restarted with growing pauses when it dies.
 * Its life ends with the node's, because it ends itself when the IPC channel closes.
 */
export class Child<To extends object, From extends { readonly type: string }> {
  readonly #log: Logger
  readonly #world: World
  readonly #init: ChildInit<To>
  readonly #handlers: ChildHandlers<From>
  #process: ChildProcess | undefined
  #port = 0
  #restarts = 0
  #backoffMs = BACKOFF_MIN_MS
  #startedMs = 0
  #stopping = false
  #retry: TimerHandle | undefined
  #firstUp: (() => void) | undefined

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

  get port(): number {
    return this.#port
  }

  get info(): { role: string; pid: number; port: number; restarts: number } {
    return {
      role: this.#init.role,
      pid: this.#process?.pid ?? 0,
      port: this.#port,
      restarts: this.#restarts,
    }
  }

  /** Resolves when the first process is up; rejects when it never comes. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#world.clock.after(READY_TIMEOUT_MS, () =>
        reject(
          new Error(`the ${this.#init.role} process was not ready after ${READY_TIMEOUT_MS} ms`),
        ),
      )
      this.#firstUp = () => {
        timer.cancel()
        resolve()
      }
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

  /** Ends the process at once; another one is started with a new set-up. */
  kill(): void {
    this.#process?.kill('SIGKILL')
  }

  /** Asks the process to finish, waits `graceMs`, then kills it. */
  async stop(shutdown: To, graceMs: number): Promise<void> {
    this.#stopping = true
    this.#retry?.cancel()
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    this.send(shutdown)
    const kill = this.#world.clock.after(graceMs, () => child.kill('SIGKILL'))
    await exited
    kill.cancel()
  }

  #spawn(): void {
    this.#startedMs = this.#world.clock.nowMs()
    const child = fork(fileURLToPath(this.#init.entry), [], {
      serialization: 'advanced',
      execArgv: [...(this.#init.execArgv ?? [])],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process = child
    child.on('message', (message) => {
      const said = message as From & { port?: number }
      if (said.type === 'ready' && typeof said.port === 'number') {
        this.#port = said.port
        this.#handlers.up(said.port)
        this.#firstUp?.()
        this.#firstUp = undefined
      } else {
        this.#handlers.message(said)
      }
    })
    child.on('error', (error) => this.#log.error({ err: error, role: this.#init.role }, 'child'))
    child.once('exit', (code, signal) => this.#exited(code, signal))
    this.send(this.#init.setup())
  }

  #exited(code: number | null, signal: string | null): void {
    this.#port = 0
    this.#process = undefined
    this.#handlers.down()
    if (this.#stopping) return
    const ranMs = this.#world.clock.nowMs() - this.#startedMs
    if (ranMs > HEALTHY_MS) this.#backoffMs = BACKOFF_MIN_MS
    const delayMs = this.#backoffMs
    this.#backoffMs = Math.min(BACKOFF_MAX_MS, this.#backoffMs * 2)
    this.#restarts++
    this.#log.error({ child: this.#init.role, code, signal, delayMs }, 'process ended, restarting')
    this.#retry = this.#world.clock.after(delayMs, () => this.#spawn())
  }
}
