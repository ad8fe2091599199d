/** One process of `aries dev`: started, logged, restarted when it dies, ended with its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { DEV } from '../../config/load.ts'
import type { StopMessage } from '../member.ts'
import { RESTART_CODE_ENV } from '../self-restart.ts'
import { LogTail } from './log-tail.ts'

const RESTART_FIRST_MS = 1_000
const RESTART_MAX_MS = 15_000
/** A member that ends with this is to be started again at once: `EX_TEMPFAIL` of sysexits. */
const RESTART_CODE = 75
/** A process that lived so long may fail again as if for the first time. */
const STEADY_MS = 30_000

export interface ChildInit {
  readonly id: string
  /** Module and its arguments. */
  readonly args: readonly string[]
  readonly logFile: string
}

export interface ChildHandlers {
  /** A line of its log, in short. */
  tell(child: DevChild, line: string): void
  /** It ended without being asked to. `restartMs`: it will be started again then. */
  died(child: DevChild, how: string, restartMs: number | undefined): void
  /** It was started again. */
  restarted(child: DevChild): void
  /** Whether this child is to be started again when it crashes. */
  mayRestart(child: DevChild): boolean
}

export class DevChild {
  readonly id: string
  readonly logFile: string
  readonly #init: ChildInit
  readonly #handlers: ChildHandlers
  readonly #tail: LogTail
  #process: ChildProcess | undefined
  #exitCode: number | null | undefined
  #startedMs = 0
  #restartMs = RESTART_FIRST_MS
  #timer: NodeJS.Timeout | undefined
  #stopping = false
  #ended = Promise.withResolvers<void>()

  constructor(handlers: ChildHandlers, init: ChildInit) {
    this.id = init.id
    this.logFile = init.logFile
    this.#init = init
    this.#handlers = handlers
    this.#tail = new LogTail(init.logFile, (line) => handlers.tell(this, line))
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  /** Of its last end; undefined while it never ended, null after a signal. */
  get exitCode(): number | null | undefined {
    return this.#exitCode
  }

  start(): void {
    this.#tail.start()
    this.#spawn()
  }

  /** Asks it to end and waits for it. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const { connected } = this.#process ?? {}
    const message: StopMessage = { type: 'stop' }
    if (connected) this.#process?.send(message, () => {})
    else this.#process?.kill('SIGTERM')
    if (this.running) await this.#ended.promise
    this.#tail.stop()
    this.#tail.read()
  }

  /** Ends it and everything that it started, at once. */
  kill(): void {
    this.#stopping = true
    clearTimeout(this.#timer)
    if (this.pid !== undefined) killGroup(this.pid)
  }

  #spawn(): void {
    const log = openSync(this.#init.logFile, 'a')
    // A process group of its own: Ctrl-C must reach it only in the order of the shutdown.
    const child = spawn(process.execPath, this.#init.args, {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, [DEV]: '1', [RESTART_CODE_ENV]: String(RESTART_CODE) },
    })
    closeSync(log)
    this.#process = child
    this.#startedMs = performance.now()
    this.#ended = Promise.withResolvers<void>()
    child.once('error', (error) => this.#onEnd(null, error.message))
    child.once('exit', (code, signal) => {
      this.#onEnd(code, signal === null ? `ended with code ${code}` : `was ended by ${signal}`)
    })
  }

  #onEnd(code: number | null, how: string): void {
    if (this.#process === undefined) return
    // A host whose worker loops for ever does not see that its node is gone.
    if (this.pid !== undefined) killGroup(this.pid)
    this.#process = undefined
    this.#exitCode = code
    this.#ended.resolve()
    if (this.#stopping) return
    this.#tail.read()
    if (code === RESTART_CODE) {
      this.#restart()
      return
    }
    const again = code !== 0 && this.#handlers.mayRestart(this)
    if (performance.now() - this.#startedMs > STEADY_MS) this.#restartMs = RESTART_FIRST_MS
    const delayMs = this.#restartMs
    if (again) {
      this.#restartMs = Math.min(delayMs * 2, RESTART_MAX_MS)
      this.#timer = setTimeout(() => this.#restart(), delayMs)
    }
    this.#handlers.died(this, how, again ? delayMs : undefined)
  }

  #restart(): void {
    if (this.#stopping) return
    this.#spawn()
    this.#handlers.restarted(this)
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody of it is left.
  }
}
