import { spawn } from 'node:child_process'
import { AriesError, fromBody } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Front } from './front.ts'
import {
  type FromPredecessor,
  type FromSuccessor,
  KEEPER_FD,
  SUCCESSOR_ENV,
  successorStreams,
} from './handover.ts'
import { Keeper } from './keeper.ts'

/** From its start until it serves: it reads its configuration and starts its threads. */
const START_TIMEOUT_MS = 60_000
/** Until it has the gossip and admin ports. */
const PORTS_TIMEOUT_MS = 10_000

export interface PredecessorComponents {
  readonly log: Logger
  readonly front: Front
  /** The ports that one process alone can have: gossip and admin. */
  readonly ports: { close(): Promise<void>; open(): Promise<void> }
  /** It ended although nobody has taken its place. */
  readonly onLost: (code: number) => void
  /** The new process was replaced itself. */
  readonly onReplaced: () => void
}

export interface Replaced {
  readonly pid: number
  /** Undefined in a process that has a keeper itself. */
  readonly keeper: Keeper | undefined
}

type Child = ReturnType<typeof spawn>

/** The process whose place is taken: starts the new one and stays until that serves. */
export class Predecessor {
  readonly #c: PredecessorComponents
  readonly #hasKeeper: boolean
  #running = false

  /** `init.hasKeeper`: this process is a successor itself. */
  constructor(components: PredecessorComponents, init: { readonly hasKeeper: boolean }) {
    this.#c = components
    this.#hasKeeper = init.hasKeeper
  }

  /**
   * Starts this program anew as it was started and hands over. When it resolves the new process
   * serves and has every port. `onServing` is awaited before the admin port is given up. Rejects with
   * `ARIES_E_NOT_REPLACED`, which has the reason; then this process serves as before.
   */
  async replace(onServing: (pid: number) => Promise<void>): Promise<Replaced> {
    if (this.#running) throw notReplaced('another new process is just being started')
    this.#running = true
    const { front, ports, log } = this.#c
    const { inheritance, unlock } = await front.bequeath()
    const { stdio, sockets } = successorStreams(
      inheritance.sockets,
      this.#hasKeeper ? KEEPER_FD : 'pipe',
    )
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      stdio,
      serialization: 'advanced',
      env: { ...process.env, [SUCCESSOR_ENV]: '1' },
    })
    const hear = new Hearing(child)
    const say = (message: FromPredecessor): void => void child.send(message)
    let isClosed = false
    try {
      await hear.next('began', START_TIMEOUT_MS)
      say({ type: 'inheritance', inheritance: { ...inheritance, sockets } })
      await hear.next('serving', START_TIMEOUT_MS)
      await onServing(child.pid!)
      isClosed = true
      await ports.close()
      say({ type: 'ports' })
      await hear.next('complete', PORTS_TIMEOUT_MS)
    } catch (thrown) {
      child.kill('SIGKILL')
      if (isClosed) await ports.open()
      unlock()
      this.#running = false
      log.error({ err: thrown }, 'the new process did not take over; this one serves on')
      throw notReplaced((thrown as Error).message)
    }
    hear.end(this.#c)
    const pid = child.pid!
    const keeper = this.#hasKeeper ? undefined : new Keeper(child.stdio[KEEPER_FD] as never, pid)
    return { pid, keeper }
  }
}

function notReplaced(why: string): AriesError {
  return new AriesError('ARIES_E_NOT_REPLACED', `the front was not replaced: ${why}`)
}

/** What the new process says, in its order. */
class Hearing {
  readonly #child: Child
  readonly #said: FromSuccessor[] = []
  #wake: () => void = () => {}
  #exit: number | string | undefined
  #heirs: Pick<PredecessorComponents, 'onLost' | 'onReplaced'> | undefined

  constructor(child: Child) {
    this.#child = child
    child.on('message', (message) => {
      const said = message as FromSuccessor
      if (said.type === 'replaced') {
        this.#heirs?.onReplaced()
        this.#heirs = undefined
        return
      }
      this.#said.push(said)
      this.#wake()
    })
    child.once('error', (error) => this.#ended(error.message))
    child.once('exit', (code, signal) => this.#ended(code ?? signal ?? 1))
  }

  /** Rejects when it says something else, nothing for too long, or ends. */
  async next(type: FromSuccessor['type'], timeoutMs: number): Promise<void> {
    const untilMs = performance.now() + timeoutMs
    while (this.#said.length === 0) {
      const leftMs = untilMs - performance.now()
      if (this.#exit !== undefined)
        throw new Error(`the new process ended (${this.#exit}); see its log`)
      if (leftMs <= 0) throw new Error(`the new process did not say "${type}" in ${timeoutMs} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const said = this.#said.shift()!
    if (said.type === 'failed') throw fromBody(said.error) ?? new Error('the new process failed')
    if (said.type !== type) throw new Error(`the new process said "${said.type}", not "${type}"`)
  }

  /** From now on its end is told, or that another process takes its place. */
  end(heirs: Pick<PredecessorComponents, 'onLost' | 'onReplaced'>): void {
    this.#heirs = heirs
    this.#child.unref()
    this.#child.channel?.unref()
    if (this.#exit !== undefined) heirs.onLost(codeOf(this.#exit))
  }

  #ended(how: number | string): void {
    this.#exit = how
    this.#wake()
    this.#heirs?.onLost(codeOf(how))
  }
}

function codeOf(how: number | string): number {
  return typeof how === 'number' ? how : 1
}
