import { answerResolve, type ResolveAsk } from '../calls/resolves.ts'
import type { Config } from '../config/schema.ts'
import { AriesError, fromBody } from '../errors.ts'
import type { Answer, FromHost, HostSetup, HostStats, LastTurn, ToHost } from '../host/ipc.ts'
import type { WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { entryUrl } from '../module-url.ts'
import type { MoveReport } from '../rpc.ts'
import type { HostAddress, OwnerAddress } from '../wire.ts'
import type { World } from '../world.ts'
import { Child } from './child.ts'
import { type HostTotals, NO_TOTALS } from './host-totals.ts'
import { Silence } from './silence.ts'
import { WorkerPicture } from './worker-picture.ts'

/** What the control loop wants to hear of a host. */
export interface HostEvents {
  /** The process is gone: every worker that lived in it is closed. */
  readonly down: (host: HostClient, how: string, ranMs: number) => void
  /** A worker there calls that one: who owns it? */
  readonly resolve: ResolveAsk
  /** May this worker come? Undefined: yes; else the reason why not. */
  readonly reserve: (
    host: HostClient,
    id: WorkerId,
    from: string,
    stateBytes: number,
  ) => string | undefined
  readonly arrived: (host: HostClient, id: WorkerId, epoch: number) => void
  readonly gone: (
    host: HostClient,
    id: WorkerId,
    owner: OwnerAddress | undefined,
    why: Extract<FromHost, { type: 'gone' }>['why'],
  ) => void
}

export interface HostInit {
  readonly setup: HostSetup
  /** Of the code that it loads, counted from 1; see `Hosts`. */
  readonly generation: number
  readonly memoryMb: number
  /** The only worker that may live in it; undefined: it is shared. */
  readonly own?: WorkerId
}

type Waiting = {
  readonly resolve: (result: Answer) => void
  readonly reject: (error: AriesError) => void
}

const NO_STATS = { ...NO_TOTALS, starting: false }

/** The control loop's end of one host process: calls with answers, events, the last statistics. */
export class HostClient {
  readonly id: number
  readonly generation: number
  /** The only worker that may live in it; undefined: it is shared. */
  readonly own: WorkerId | undefined
  /** The host reports twice a second: when it does not, a worker blocks its loop. */
  readonly silence = new Silence()
  /** It is to end: no worker is opened in it any more. */
  retiring = false
  readonly #log: Logger
  readonly #events: HostEvents
  readonly #child: Child<ToHost, FromHost>
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  readonly #versions = new Map<string, Promise<number>>()
  #stats: HostTotals & Pick<HostStats, 'startFault' | 'starting'> = NO_STATS
  /** What the host has told of each worker. */
  readonly workers: WorkerPicture

  constructor(components: { log: Logger; world: World }, init: HostInit, events: HostEvents) {
    this.id = init.setup.host
    this.generation = init.generation
    this.own = init.own
    this.#log = components.log
    this.#events = events
    this.workers = new WorkerPicture(components.world.clock.nowMs, () => ({
      heapBytes: this.#stats.heapBytes,
      ...(init.own && { ownBytes: this.#stats.memoryBytes }),
    }))
    this.#child = new Child<ToHost, FromHost>(
      components,
      {
        role: 'host',
        entry: entryUrl('../host/main.ts', import.meta.url),
        execArgv: [`--max-old-space-size=${init.memoryMb}`],
        setup: { type: 'setup', setup: init.setup },
      },
      { message: (message) => this.#heard(message), down: (how, ranMs) => this.#down(how, ranMs) },
    )
  }

  /** 0 while it does not listen. */
  get port(): number {
    return this.#child.port
  }

  get pid(): number {
    return this.#child.pid
  }

  get stats(): HostTotals & Pick<HostStats, 'startFault' | 'starting'> {
    return this.#stats
  }

  /** Resolves when it listens; rejects when it never does. */
  async start(): Promise<void> {
    await this.#child.start()
    this.silence.ended()
  }

  stop(graceMs: number): Promise<void> {
    return this.#child.stop({ type: 'shutdown' }, graceMs)
  }

  /** Ends the process at once. */
  kill(): void {
    this.#child.kill()
  }

  /** `from`: where a last owner, now gone, left the worker. */
  async open(id: WorkerId, epoch: number, from?: LastTurn): Promise<void> {
    await this.#call((call) => ({ type: 'open', call, id, epoch, from }))
  }

  /** The hosts of other nodes that standbys may be on. */
  setStandbyHosts(hosts: readonly HostAddress[]): void {
    this.#child.send({ type: 'standby-hosts', hosts })
  }

  /** Ends the worker's stay: its last turn is run and committed. */
  async close(id: WorkerId): Promise<void> {
    await this.#call((call) => ({ type: 'close', call, id }))
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

  async forget(id: WorkerId, epoch: number): Promise<void> {
    await this.#call((call) => ({ type: 'forget', call, id, epoch }))
  }

  async move(id: WorkerId, to: { node: string; host: string; port: number }): Promise<MoveReport> {
    const report = await this.#call((call) => ({ type: 'move', call, id, to }))
    return report as MoveReport
  }

  /** Loads every class now. Rejects with what is wrong with the first that does not load. */
  async load(): Promise<void> {
    await this.#call((call) => ({ type: 'load', call }))
  }

  /** Resolves when the process shows and accepts these, or is gone. */
  async setTokens(tokens: readonly string[]): Promise<void> {
    // One that does not listen yet takes them before anybody can ask it.
    if (this.port === 0) this.#child.send({ type: 'tokens', call: 0, tokens })
    else await this.#call((call) => ({ type: 'tokens', call, tokens })).catch(() => undefined)
  }

  /** Tells the process of changed routes. */
  declare(classes: Config['classes']): void {
    this.#versions.clear()
    this.#child.send({ type: 'declare', classes: [...classes] })
  }

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    this.#child.send({ type: 'node', node, dead })
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
          refusal: this.#events.reserve(this, message.id, message.from, message.stateBytes),
        })
        break
      case 'resolve':
        void answerResolve(this.#events.resolve, message).then((answer) => this.#child.send(answer))
        break
      case 'arrived':
        this.#events.arrived(this, message.id, message.epoch)
        break
      case 'gone':
        this.workers.gone(message.id)
        this.#events.gone(this, message.id, message.owner, message.why)
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

  #down(how: string, ranMs: number): void {
    this.#stats = NO_STATS
    this.workers.clear()
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new AriesError('ARIES_E_NO_TARGET', `the host process ${how}`))
    }
    this.#waiting.clear()
    this.#log.debug({ host: this.id, how }, 'host down')
    this.#events.down(this, how, ranMs)
  }
}
