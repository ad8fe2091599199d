import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { AriesError, fromBody } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { ListeningSocket } from './handover.ts'
import type { Traffic } from './meters.ts'
import { emptyStats, type ShardStats } from './metrics.ts'
import type { FromShard, ShardConfig, ShardSetup, ToShard } from './shard-ipc.ts'

const ENTRY = new URL(`./shard-thread${extname(fileURLToPath(import.meta.url))}`, import.meta.url)
/** On top of the grace that a shard gives its clients. */
const STOP_SLACK_MS = 1_000

interface Call {
  readonly resolve: () => void
  readonly reject: (error: AriesError) => void
}

export interface ShardHandleComponents {
  readonly log: Logger
  readonly onMessage: (message: FromShard) => void
  /** The thread has ended, planned or not. */
  readonly onExit: () => void
}

/** One shard's thread, as the main thread sees it. */
export class ShardHandle {
  readonly startedAtMs = performance.now()
  /** The last that it reported. */
  stats: ShardStats = emptyStats()
  traffic: Traffic | undefined
  readonly #components: ShardHandleComponents
  readonly #worker: Worker
  readonly #calls = new Map<number, Call>()
  readonly #exited: Promise<void>
  /** Resolves when it serves. */
  readonly ready: Promise<void>
  #lastCall = 0
  #whenSockets: (sockets: readonly ListeningSocket[]) => void = () => {}

  constructor(components: ShardHandleComponents, setup: ShardSetup) {
    this.#components = components
    this.ready = new Promise((resolve, reject) => this.#calls.set(0, { resolve, reject }))
    // Whoever starts shards waits for this; a later crash must not be an unhandled rejection.
    this.ready.catch(() => {})
    this.#worker = new Worker(ENTRY, {
      workerData: setup,
      execArgv: [],
      name: `shard ${setup.shard}`,
    })
    this.#worker.on('message', (message: FromShard) => this.#hear(message))
    this.#worker.on('error', (error) => {
      components.log.error({ shard: setup.shard, err: error }, 'shard crashed')
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        const error = new AriesError('ARIES_E_INTERNAL', `shard ${setup.shard} ended`)
        for (const call of this.#calls.values()) call.reject(error)
        this.#calls.clear()
        components.onExit()
        resolve()
      })
    })
  }

  send(message: ToShard): void {
    this.#worker.postMessage(message)
  }

  /** Rejects with the shard's reason; then nothing of `config` was applied. */
  configure(config: ShardConfig): Promise<void> {
    this.#lastCall += 1
    const call = this.#lastCall
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject })
      this.send({ type: 'config', call, config })
    })
  }

  /** Lets it drain for `graceMs`; ends the thread in any case. */
  async stop(graceMs: number): Promise<void> {
    this.send({ type: 'stop', graceMs })
    await this.#ended(graceMs)
  }

  /** See `Shard.retire`; ends the thread in any case. */
  async retire(init: { graceMs: number; spreadMs: number }): Promise<void> {
    this.send({ type: 'retire', ...init })
    await this.#ended(init.graceMs)
  }

  /** Its listening sockets; none when it has ended. */
  sockets(): Promise<readonly ListeningSocket[]> {
    this.send({ type: 'sockets' })
    return new Promise((resolve) => {
      this.#whenSockets = resolve
      void this.#exited.then(() => resolve([]))
    })
  }

  async #ended(graceMs: number): Promise<void> {
    const cut = setTimeout(() => void this.#worker.terminate(), graceMs + STOP_SLACK_MS)
    await this.#exited
    clearTimeout(cut)
  }

  #hear(message: FromShard): void {
    switch (message.type) {
      case 'done':
        this.#calls.get(message.call)?.resolve()
        this.#calls.delete(message.call)
        break
      case 'failed':
        this.#calls
          .get(message.call)
          ?.reject(fromBody(message.error) ?? new AriesError('ARIES_E_INTERNAL', 'shard failed'))
        this.#calls.delete(message.call)
        break
      case 'stats':
        this.stats = message.stats
        this.traffic = message.traffic
        break
      case 'sockets':
        this.#whenSockets(message.sockets)
        break
      default:
        this.#components.onMessage(message)
    }
  }
}
