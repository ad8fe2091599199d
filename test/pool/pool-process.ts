import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { configSchema } from '../../src/config/schema.ts'
import { errorBody } from '../../src/errors.ts'
import type { WorkerId } from '../../src/identity.ts'
import type { FromPool, PoolSetup, PoolStats, ToPool } from '../../src/pool/ipc.ts'
import type { OwnerAddress } from '../../src/wire.ts'

const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const LIMITS = configSchema.shape.pool.parse({})

const CALLS = configSchema.shape.calls.parse({})

const TASKS: PoolSetup['tasks'] = [
  ['deeds', local('./tasks/deeds.ts')],
  ['no-function', local('./tasks/no-function.ts')],
  ['calls', local('./tasks/calls.ts')],
  ['broken', local('./tasks/broken.ts')],
  ['missing', local('./tasks/missing.ts')],
  ['hello', local('../../workers/hello.ts')],
  ['primes', local('../../workers/primes.ts')],
]

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  json(): unknown
}

/** The real pool process, and an HTTP client in the place of a front. */
export class PoolProcess {
  readonly child: ChildProcess
  readonly agent = new http.Agent({ keepAlive: true, maxSockets: 100 })
  port = 0
  stats: PoolStats | undefined
  /** How often it asked for an owner. */
  resolves = 0

  constructor(
    init: {
      limits?: Partial<PoolSetup['limits']>
      calls?: Partial<PoolSetup['calls']>
      token?: string
      /** Who owns a worker; nobody by default. */
      owner?: (id: WorkerId) => OwnerAddress
    } = {},
  ) {
    this.child = fork(local('../../src/pool/main.ts'), [], {
      serialization: 'advanced',
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.child.on('message', (message: FromPool) => {
      if (message.type === 'ready') this.port = message.port
      else if (message.type === 'stats') this.stats = message.stats
      else if (message.type === 'resolve') {
        this.resolves++
        const { call, id } = message
        const result = init.owner?.(id) ?? errorBody('ARIES_E_CLASS_UNKNOWN', 'there is no class')
        this.send({ type: 'resolved', call, result })
      }
    })
    const limits = { ...LIMITS, threads: 2, ...init.limits }
    const tokens = init.token === undefined ? [] : [init.token]
    const setup = {
      node: 'n1',
      bind: '127.0.0.1',
      tokens,
      tasks: TASKS,
      limits,
      calls: { ...CALLS, answerBytesMax: 1_048_576, ...init.calls },
      logLevel: 'silent',
    }
    this.send({ type: 'setup', setup })
  }

  send(message: ToPool): void {
    this.child.send(message)
  }

  async ready(): Promise<this> {
    while (this.port === 0) await once(this.child, 'message')
    return this
  }

  /** Waits for a report of figures that `holds`. */
  async statsWhere(holds: (stats: PoolStats) => boolean): Promise<PoolStats> {
    for (;;) {
      await once(this.child, 'message')
      if (this.stats && holds(this.stats)) return this.stats
    }
  }

  /** Sends a request for a task; `sent` hears of the request object. */
  call(
    task: string,
    path: string,
    options: {
      readonly method?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string | Buffer
      readonly sent?: (request: http.ClientRequest) => void
    } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = http.request({
        agent: this.agent,
        port: this.port,
        host: '127.0.0.1',
        path,
        method: options.method ?? 'GET',
        headers: { 'aries-task': task, ...options.headers },
      })
      request.on('error', reject)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('error', reject)
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString()
          const json = (): unknown => JSON.parse(body)
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, json })
        })
      })
      options.sent?.(request)
      request.end(options.body)
    })
  }

  deed(name: string, query = ''): Promise<Answer> {
    return this.call('deeds', `/deeds?do=${name}${query}`)
  }

  /** Ends the process by closing the channel, as the end of its node would. */
  async end(): Promise<void> {
    this.agent.destroy()
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    if (this.child.connected) this.child.disconnect()
    await exited
  }
}

/** The code of an error body. */
export function codeOf(answer: Answer): unknown {
  return (answer.json() as { error?: { code?: unknown } }).error?.code
}
