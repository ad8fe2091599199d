/** Real host processes for tests: forked, set up, driven over IPC as a node does it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { answerResolve, type ResolveAsk } from '../../src/calls/resolves.ts'
import { resolveClasses } from '../../src/config/classes.ts'
import { type ClassOptions, configSchema } from '../../src/config/schema.ts'
import { AriesError, fromBody } from '../../src/errors.ts'
import type {
  Answer,
  FromHost,
  HostSetup,
  HostStats,
  LastTurn,
  ToHost,
  WorkerFigures,
} from '../../src/host/ipc.ts'
import { formatWorkerId, type WorkerId } from '../../src/identity.ts'
import type { MoveReport } from '../../src/rpc.ts'
import type { OwnerAddress } from '../../src/wire.ts'
import { HEADER } from '../../src/wire.ts'
import { until } from './until.ts'

export const TOKEN = 'token-of-the-tests'

const defaults = configSchema.parse({
  listeners: [{ http: '127.0.0.1:1' }],
  routes: [{ path: '/', task: 'x' }],
})

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export const CLASSES: ReadonlyMap<string, string> = new Map([
  ['counter', fileOf('../../workers/counter.ts')],
  ['room', fileOf('../../workers/room.ts')],
  ['probe', fileOf('../host/fixtures/probe.ts')],
  ['keyed', fileOf('../host/fixtures/keyed.ts')],
  ['reminder', fileOf('../host/fixtures/reminder.ts')],
  ['relaxed', fileOf('../host/fixtures/relaxed.ts')],
  ['undecided', fileOf('../host/fixtures/undecided.ts')],
  ['library', fileOf('../host/fixtures/library.ts')],
  ['caller', fileOf('../host/fixtures/caller.ts')],
  ['relaxed-caller', fileOf('../host/fixtures/relaxed-caller.ts')],
  ['ledger', fileOf('../host/fixtures/ledger.ts')],
  ['broken', fileOf('../host/fixtures/broken.ts')],
])

export interface HostOptions {
  readonly store: string
  readonly incarnation: number
  /** 1 when there is one only. */
  readonly host?: number
  readonly limits?: Partial<HostSetup['limits']>
  readonly calls?: Partial<HostSetup['calls']>
  readonly move?: Partial<HostSetup['move']>
  /** Worker class → file. */
  readonly classes?: ReadonlyMap<string, string>
  readonly classOptions?: Readonly<Record<string, ClassOptions>>
  readonly logLevel?: string
}

type Gone = Extract<FromHost, { type: 'gone' }>
type Settle = { resolve: (result: Answer) => void; reject: (error: unknown) => void }

export class HostProcess {
  readonly node: string
  readonly child: ChildProcess
  port = 0
  /** What `reserve` is answered with. */
  refusal: string | undefined
  /** What it asked its node whether they may come. */
  readonly reserved: WorkerId[] = []
  /** Who owns a worker that one here calls. */
  onResolve: ResolveAsk = (id) => Promise.reject(new Error(`who owns ${id.key}?`))
  resolves = 0
  stats: HostStats | undefined
  /** The last that was told of each worker, by name. */
  readonly figures = new Map<string, WorkerFigures>()
  readonly gone: Gone[] = []
  readonly arrived: { id: WorkerId; epoch: number }[] = []
  readonly #calls = new Map<number, Settle>()
  #call = 0

  constructor(node: string, child: ChildProcess) {
    this.node = node
    this.child = child
    child.on('message', (message) => this.#heard(message as FromHost))
  }

  static async start(node: string, options: HostOptions): Promise<HostProcess> {
    const child = fork(fileOf('../../src/host/main.ts'), [], {
      serialization: 'advanced',
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    const host = new HostProcess(node, child)
    host.send({
      type: 'setup',
      setup: {
        node,
        bind: '127.0.0.1',
        incarnation: options.incarnation,
        host: options.host ?? 1,
        store: options.store,
        tokens: [TOKEN],
        classes: classesOf(options),
        limits: { ...defaults.host, ...options.limits },
        calls: { ...defaults.calls, answerBytesMax: defaults.host.bodyBytesMax, ...options.calls },
        move: { ...defaults.move, ...options.move },
        logLevel: options.logLevel ?? 'silent',
      },
    })
    await until(`${node} is ready`, () => host.port !== 0 || child.exitCode !== null)
    return host
  }

  get address(): { node: string; host: string; port: number } {
    return { node: this.node, host: '127.0.0.1', port: this.port }
  }

  send(message: ToHost): void {
    this.child.send(message)
  }

  open(id: WorkerId, epoch: number, from?: LastTurn): Promise<unknown> {
    return this.#ask((call) => ({ type: 'open', call, id, epoch, from }))
  }

  close(id: WorkerId): Promise<unknown> {
    return this.#ask((call) => ({ type: 'close', call, id }))
  }

  freeze(id: WorkerId, freeze: boolean): Promise<unknown> {
    return this.#ask((call) => ({ type: 'freeze', call, id, freeze }))
  }

  async move(id: WorkerId, to: { node: string; host: string; port: number }): Promise<MoveReport> {
    return (await this.#ask((call) => ({ type: 'move', call, id, to }))) as MoveReport
  }

  /** One request, straight to this host. */
  async request(
    id: WorkerId,
    init: RequestInit & { path?: string } = {},
  ): Promise<{ status: number; headers: Headers; body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${init.path ?? '/'}`, {
      ...init,
      headers: {
        [HEADER.worker]: formatWorkerId(id),
        [HEADER.auth]: TOKEN,
        ...(init.headers as Record<string, string>),
      },
    })
    return { status: response.status, headers: response.headers, body: await response.text() }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    this.child.kill(signal)
    await exited
  }

  #ask(message: (call: number) => ToHost): Promise<Answer> {
    const call = ++this.#call
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject })
      this.send(message(call))
    })
  }

  #heard(message: FromHost): void {
    switch (message.type) {
      case 'ready':
        this.port = message.port
        break
      case 'answer':
        this.#settle(message.call)?.resolve(message.result)
        break
      case 'failed':
        this.#settle(message.call)?.reject(
          fromBody(message.error) ?? new AriesError('ARIES_E_INTERNAL', 'failed'),
        )
        break
      case 'resolve':
        this.resolves++
        void answerResolve(this.onResolve, message).then((answer) => this.send(answer))
        break
      case 'reserve':
        this.reserved.push(message.id)
        this.send({ type: 'reserved', call: message.call, refusal: this.refusal })
        break
      case 'arrived':
        this.arrived.push(message)
        break
      case 'gone':
        this.gone.push(message)
        break
      case 'stats':
        this.stats = message.stats
        for (const worker of message.stats.changed) {
          this.figures.set(formatWorkerId(worker), worker)
        }
        break
    }
  }

  #settle(call: number): Settle | undefined {
    const settle = this.#calls.get(call)
    this.#calls.delete(call)
    return settle
  }
}

/** As a node tells its host of them. */
export function classesOf(
  options: Pick<HostOptions, 'limits' | 'classes' | 'classOptions'>,
): HostSetup['classes'] {
  const limits = { ...defaults.host, ...options.limits }
  return [...resolveClasses(options.classes ?? CLASSES, limits, options.classOptions ?? {})]
}

/** Sends a request as a front does: follows `aries-owner`, repeats what was answered 421. */
export class Requester {
  readonly #hosts: readonly HostProcess[]
  #at: HostProcess
  redirected = 0

  constructor(hosts: readonly HostProcess[]) {
    this.#hosts = hosts
    this.#at = hosts[0]!
  }

  async request(
    id: WorkerId,
    init: RequestInit = {},
  ): Promise<{ status: number; headers: Headers; body: string }> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#at.request(id, init)
      const owner = answer.headers.get(HEADER.owner)
      if (owner)
        this.#at =
          this.#hosts.find(
            (h) => owner.endsWith(String(h.port)) || owner.includes(`:${h.port};`),
          ) ?? this.#at
      if (answer.status !== 421 || attempt > 50) return answer
      this.redirected++
      if (!owner) this.#at = this.#hosts[(this.#hosts.indexOf(this.#at) + 1) % this.#hosts.length]!
    }
  }
}

export type { OwnerAddress }
