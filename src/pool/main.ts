/**
 * Entry of the pool process: set up, watched and stopped by its node over the IPC channel; it ends
 * when that closes, so that it never outlives its node.
 */
import { availableParallelism } from 'node:os'
import { Tokens } from '../auth.ts'
import type { ResolvedMessage } from '../calls/resolves.ts'
import { createLogger } from '../log.ts'
import { realWorld } from '../world.ts'
import type { FromPool, PoolSetup, PoolStats, ToPool } from './ipc.ts'
import { TaskRunner } from './runner.ts'
import { TaskServer } from './server.ts'
import { TaskCalls } from './task-calls.ts'

const STATS_MS = 500

class Pool {
  readonly #tokens: Tokens
  readonly #calls: TaskCalls
  readonly #runner: TaskRunner
  readonly #server: TaskServer
  #usage = process.cpuUsage()
  #usageAtMs = performance.now()
  #done = 0
  #stopping = false

  constructor(setup: PoolSetup) {
    const log = createLogger({ role: 'pool', id: setup.node }, setup.logLevel)
    const tokens = new Tokens(setup.tokens)
    this.#tokens = tokens
    const { node, calls } = setup
    this.#calls = new TaskCalls({ clock: realWorld.clock, send: tell }, { node, tokens, calls })
    const threads = setup.limits.threads ?? availableParallelism()
    this.#runner = new TaskRunner({ log, calls: this.#calls }, { limits: setup.limits, threads })
    this.#server = new TaskServer({ log, runner: this.#runner, tokens }, setup)
  }

  async start(): Promise<void> {
    tell({ type: 'ready', port: await this.#server.start() })
    setInterval(() => tell({ type: 'stats', stats: this.#stats() }), STATS_MS)
  }

  declare(tasks: PoolSetup['tasks']): void {
    this.#server.declare(tasks)
  }

  setTokens(call: number, tokens: readonly string[]): void {
    this.#tokens.set(tokens)
    tell({ type: 'tokens', call })
  }

  resolved(message: ResolvedMessage): void {
    this.#calls.resolved(message)
  }

  setDead(node: string, dead: boolean): void {
    this.#calls.setDead(node, dead)
  }

  async load(): Promise<void> {
    tell({ type: 'loaded', failure: await this.#runner.check(this.#server.files) })
  }

  async stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    await this.#server.stop()
    await this.#runner.stop()
    await this.#calls.close()
    process.exit(0)
  }

  #stats(): PoolStats {
    const used = process.cpuUsage(this.#usage)
    const nowMs = performance.now()
    const elapsedMs = nowMs - this.#usageAtMs
    const cpu = (used.user + used.system) / 1_000 / elapsedMs
    const done = this.#runner.completed + this.#runner.failed
    const requestsPerSecond = ((done - this.#done) * 1_000) / elapsedMs
    this.#done = done
    this.#usage = process.cpuUsage()
    this.#usageAtMs = nowMs
    return {
      cpu,
      memoryBytes: process.memoryUsage.rss(),
      requests: this.#runner.requests,
      connections: this.#server.connections,
      requestsPerSecond,
      completed: this.#runner.completed,
      failed: this.#runner.failed,
    }
  }
}

function tell(message: FromPool): void {
  if (process.connected) process.send?.(message)
}

let pool: Pool | undefined

process.on('message', (message: ToPool) => {
  if (message.type === 'setup') {
    pool = new Pool(message.setup)
    void pool.start()
  } else if (message.type === 'load') {
    void pool?.load()
  } else if (message.type === 'declare') {
    pool?.declare(message.tasks)
  } else if (message.type === 'tokens') {
    pool?.setTokens(message.call, message.tokens)
  } else if (message.type === 'node') {
    pool?.setDead(message.node, message.dead)
  } else if (message.type === 'resolved') {
    pool?.resolved(message)
  } else {
    void (pool ? pool.stop() : process.exit(0))
  }
})
process.once('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole group; the node decides what ends in which order.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => void pool?.stop())
