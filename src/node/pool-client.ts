import { answerResolve, type ResolveAsk } from '../calls/resolves.ts'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { entryUrl } from '../module-url.ts'
import type { FromPool, PoolSetup, PoolStats, ToPool } from '../pool/ipc.ts'
import type { World } from '../world.ts'
import { Child } from './child.ts'

const IDLE: PoolStats = {
  cpu: 0,
  memoryBytes: 0,
  requests: 0,
  connections: 0,
  requestsPerSecond: 0,
  completed: 0,
  failed: 0,
}

export interface PoolInit {
  readonly setup: PoolSetup
  /** Of the code that it loads, counted from 1. */
  readonly generation: number
}

export interface PoolEvents {
  readonly down: (pool: PoolClient, how: string, ranMs: number) => void
  /** A task there calls a worker: who owns it? */
  readonly resolve: ResolveAsk
}

/** The control loop's end of one pool process. */
export class PoolClient {
  readonly generation: number
  readonly #child: Child<ToPool, FromPool>
  #stats: PoolStats = IDLE
  #loading: PromiseWithResolvers<void> | undefined
  #calls = 0
  readonly #taking = new Map<number, PromiseWithResolvers<void>>()

  constructor(components: { log: Logger; world: World }, init: PoolInit, events: PoolEvents) {
    this.generation = init.generation
    this.#child = new Child<ToPool, FromPool>(
      components,
      {
        role: 'pool',
        entry: entryUrl('../pool/main.ts', import.meta.url),
        setup: { type: 'setup', setup: init.setup },
      },
      {
        message: (message) => this.#heard(message, events),
        down: (how, ranMs) => {
          this.#loading?.reject(new AriesError('ARIES_E_NO_TARGET', `the pool process ${how}`))
          for (const taken of this.#taking.values()) taken.resolve()
          this.#taking.clear()
          events.down(this, how, ranMs)
        },
      },
    )
  }

  /** 0 while it does not listen. */
  get port(): number {
    return this.#child.port
  }

  get pid(): number {
    return this.#child.pid
  }

  get stats(): PoolStats {
    return this.#stats
  }

  /** Resolves when it listens; rejects when it never does. */
  start(): Promise<void> {
    return this.#child.start()
  }

  /** Loads every task now. Rejects with what is wrong with the first that does not load. */
  load(): Promise<void> {
    this.#loading = Promise.withResolvers<void>()
    this.#child.send({ type: 'load' })
    return this.#loading.promise
  }

  /** Resolves when the process shows and accepts these, or is gone. */
  setTokens(tokens: readonly string[]): Promise<void> {
    // One that does not listen yet takes them before anybody can ask it.
    if (this.port === 0) {
      this.#child.send({ type: 'tokens', call: 0, tokens })
      return Promise.resolve()
    }
    const call = ++this.#calls
    const taken = Promise.withResolvers<void>()
    this.#taking.set(call, taken)
    this.#child.send({ type: 'tokens', call, tokens })
    return taken.promise
  }

  /** Tells the process of changed routes. */
  declare(tasks: ReadonlyMap<string, string>): void {
    this.#child.send({ type: 'declare', tasks: [...tasks] })
  }

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    this.#child.send({ type: 'node', node, dead })
  }

  /** Ends the process at once. */
  kill(): void {
    this.#child.kill()
  }

  stop(graceMs: number): Promise<void> {
    return this.#child.stop({ type: 'shutdown' }, graceMs)
  }

  #heard(message: FromPool, { resolve }: PoolEvents): void {
    if (message.type === 'stats') this.#stats = message.stats
    if (message.type === 'tokens') {
      this.#taking.get(message.call)?.resolve()
      this.#taking.delete(message.call)
    }
    if (message.type === 'resolve') {
      void answerResolve(resolve, message).then((answer) => this.#child.send(answer))
    }
    if (message.type !== 'loaded') return
    const { failure } = message
    if (failure === undefined) this.#loading?.resolve()
    else this.#loading?.reject(new AriesError('ARIES_E_TASK_FAILED', failure))
  }
}
