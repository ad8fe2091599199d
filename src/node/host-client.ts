import { answerResolve, type ResolveAsk } from '../calls/resolves.ts'
import type { Config } from '../config/schema.ts'
import { AriesError, fromBody } from '../errors.ts'
import type { Answer, FromHost, HostSetup, HostStats, ToHost } from '../host/ipc.ts'
import type { WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { entryUrl } from '../module-url.ts'
import type { MoveReport } from '../rpc.ts'
import type { OwnerAddress } from '../wire.ts'
import type { World } from '../world.ts'
import { Child } from './child.ts'
import { Silence } from './silence.ts'
import { WorkerPicture } from './worker-picture.ts'

/** What the control loop wants to hear of its host. */
export interface HostEvents {
  readonly up: (port: number) => void
  /** The process died: every worker that lived in it is closed. */
  readonly down: () => void
  /** A worker here calls that one: who owns it? */
  readonly resolve: ResolveAsk
  /** May this worker come? Undefined: yes; else the reason why not. */
  readonly reserve: (id: WorkerId, from: string, stateBytes: number) => string | undefined
  readonly arrived: (id: WorkerId, epoch: number) => void
  readonly gone: (id: WorkerId, owner: OwnerAddress | undefined, why: string) => void
}

type Waiting = {
  readonly resolve: (result: Answer) => void
  readonly reject: (error: AriesError) => void
}

const IDLE: HostStats = {
  changed: [],
  cpu: 0,
  memoryBytes: 0,
  requests: 0,
  connections: 0,
  ioBytesPerSecond: 0,
}

/** The control loop's end of a host process: calls with answers, events, the last statistics. */
export class HostClient {
  readonly #log: Logger
  readonly #events: HostEvents
  readonly #child: Child<ToHost, FromHost>
  readonly #waiting = new Map<number, Waiting>()
  /** The host reports twice a second: when it does not, a worker blocks its loop. */
  readonly silence = new Silence()
  #calls = 0
  readonly #versions = new Map<string, Promise<number>>()
  #stats: HostStats = IDLE
  /** What the host has told of each worker. */
  readonly workers: WorkerPicture

  constructor(
    components: { log: Logger; world: World },
    init: { setup: () => HostSetup; memoryMb: number },
    events: HostEvents,
  ) {
    this.#log = components.log
    this.#events = events
    this.workers = new WorkerPicture(components.world.clock.nowMs)
    this.#child = new Child<ToHost, FromHost>(
      components,
      {
        role: 'host',
        entry: entryUrl('../host/main.ts', import.meta.url),
        execArgv: [`--max-old-space-size=${init.memoryMb}`],
        setup: () => ({ type: 'setup', setup: init.setup() }),
      },
      {
        message: (message) => this.#heard(message),
        up: (port) => {
          this.silence.ended()
          events.up(port)
        },
        down: () => this.#down(),
      },
    )
  }

  get port(): number {
    return this.#child.port
  }

  get info(): Child<ToHost, FromHost>['info'] {
    return this.#child.info
  }

  get stats(): HostStats {
    return this.#stats
  }

  start(): Promise<void> {
    return this.#child.start()
  }

  stop(graceMs: number): Promise<void> {
    return this.#child.stop({ type: 'shutdown' }, graceMs)
  }

  async open(id: WorkerId, epoch: number): Promise<void> {
    await this.#call((call) => ({ type: 'open', call, id, epoch }))
  }

  /** Version of a class as this process has it. Throws what `ClassLoader.load` throws. */
  classVersion(name: string): Promise<number> {
    let version = this.#versions.get(name)
    if (!version) {
      version = this.#call((call) => ({ type: 'version', call, class: name })) as Promise<number>
      this.#versions.set(name, version)
      version.catch(() => this.#versions.delete(name))
    }
    return version
  }

  async freeze(id: WorkerId, freeze: boolean): Promise<void> {
    await this.#call((call) => ({ type: 'freeze', call, id, freeze }))
  }

  async move(id: WorkerId, to: { node: string; host: string; port: number }): Promise<MoveReport> {
    const report = await this.#call((call) => ({ type: 'move', call, id, to }))
    return report as MoveReport
  }

  /** Tells the process of changed routes. */
  declare(classes: Config['classes']): void {
    this.#versions.clear()
    this.#child.send({ type: 'declare', classes: [...classes] })
  }

  /** Replaces the process: its workers and its incarnation are void. */
  restart(): void {
    this.#child.kill()
  }

  /** The incarnation was seen to hold at `atMs`; see `Vouch`. */
  vouch(atMs: number): void {
    this.#child.send({ type: 'vouch', atMs })
  }

  /** The incarnation is void: the host must acknowledge nothing more. */
  fence(): void {
    this.#child.send({ type: 'fenced' })
  }

  #call(message: (call: number) => ToHost): Promise<Answer> {
    if (this.#child.port === 0) {
      return Promise.reject(
        new AriesError('ARIES_E_NO_TARGET', 'the host process of the node is restarting'),
      )
    }
    const call = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject })
      this.#child.send(message(call))
    })
  }

  #heard(message: FromHost): void {
    this.silence.ended()
    switch (message.type) {
      case 'answer':
        this.#settle(message.call)?.resolve(message.result)
        break
      case 'failed':
        this.#settle(message.call)?.reject(
          fromBody(message.error) ?? new AriesError('ARIES_E_INTERNAL', 'the host failed'),
        )
        break
      case 'reserve':
        this.#child.send({
          type: 'reserved',
          call: message.call,
          refusal: this.#events.reserve(message.id, message.from, message.stateBytes),
        })
        break
      case 'resolve':
        void answerResolve(this.#events.resolve, message).then((answer) => this.#child.send(answer))
        break
      case 'arrived':
        this.#events.arrived(message.id, message.epoch)
        break
      case 'gone':
        this.workers.gone(message.id)
        this.#events.gone(message.id, message.owner, message.why)
        break
      case 'stats':
        this.#stats = message.stats
        this.workers.hear(message.stats.changed)
        break
      case 'ready':
        break
    }
  }

  #settle(call: number): Waiting | undefined {
    const waiting = this.#waiting.get(call)
    this.#waiting.delete(call)
    return waiting
  }

  #down(): void {
    this.#versions.clear()
    this.#stats = IDLE
    this.workers.clear()
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new AriesError('ARIES_E_NO_TARGET', 'the host process died; it is restarting'))
    }
    this.#waiting.clear()
    this.#log.debug('host down')
    this.#events.down()
  }
}
