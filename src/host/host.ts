/** A host: the workers of one process, from the control loop's messages to the port. */
import { Tokens } from '../auth.ts'
import { longestTurnMs } from '../config/classes.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { Clock, TimerHandle } from '../world.ts'
import { ClassLoader } from './class-loader.ts'
import { Committer } from './committer.ts'
import { Forwarder } from './forwarder.ts'
import { FreezeMail } from './freeze.ts'
import { HeapUse } from './heap-use.ts'
import { HostCalls } from './host-calls.ts'
import type { Answer, FromHost, HostSetup, ToHost } from './ipc.ts'
import { StopMail } from './lifecycle-mail.ts'
import { versionOf } from './migrate.ts'
import { PREPARE_TIMEOUT_MS } from './move-source.ts'
import { Moves } from './moves.ts'
import type { OpenWorker } from './open-worker.ts'
import { Reservations } from './reservations.ts'
import { HostServer } from './server.ts'
import { SESSION_PROTOCOL } from './session-link.ts'
import { Sessions } from './sessions.ts'
import { StandbyFeeds } from './standby-feeds.ts'
import { Standbys } from './standbys.ts'
import { StatsSampler } from './stats.ts'
import type { Tidy } from './tidy.ts'
import { WorkerTable } from './worker-table.ts'

const STATS_INTERVAL_MS = 500
const SWEEP_INTERVAL_MS_MIN = 10
const SWEEP_INTERVAL_MS_MAX = 500

export interface HostComponents {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly send: (message: FromHost) => void
  /** Absent: memory is left to V8. */
  readonly tidy?: Tidy
  /** Absent: nobody looks how much of the heap the workers use. */
  readonly heapBytes?: () => number
}

export class Host {
  readonly #c: HostComponents
  readonly #setup: HostSetup
  readonly #classes: ClassLoader
  readonly #committer: Committer
  readonly #table: WorkerTable
  readonly #sessions: Sessions
  readonly #forwarder: Forwarder
  readonly #calls: HostCalls
  readonly #server: HostServer
  readonly #moves: Moves
  readonly #reservations: Reservations
  readonly #standbys: Standbys
  readonly #feeds: StandbyFeeds
  readonly #stats: StatsSampler
  readonly #timers = new Set<TimerHandle>()
  readonly #tokens: Tokens
  #stopped = false

  constructor(components: HostComponents, setup: HostSetup) {
    const { store, clock, log } = components
    const { node, limits } = setup
    const tokens = new Tokens(setup.tokens)
    this.#tokens = tokens
    this.#c = components
    this.#setup = setup
    const classes = new ClassLoader({ log }, setup.classes)
    this.#classes = classes
    this.#committer = new Committer({ store, log, clock }, setup)
    const table = new WorkerTable(
      {
        store,
        committer: this.#committer,
        classes,
        clock,
        log,
        call: (from, call, signal) => this.#calls.call(from, call, signal),
        onDropped: (worker, why) => this.#lost(worker, why),
        onAdded: (worker) => this.#feeds.opened(worker),
        onRemoved: (worker) => this.#feeds.closed(worker),
        atHand: (name, from) => this.#standbys.take(name, from),
        onLost: (id) => components.send({ type: 'gone', id, owner: undefined, why: 'fenced' }),
      },
      { node, freezeState: limits.freezeState === true },
    )
    this.#table = table
    this.#calls = new HostCalls(
      { clock, send: components.send, table },
      { node, tokens, calls: setup.calls },
    )
    this.#sessions = new Sessions({ table, clock, log }, limits)
    this.#forwarder = new Forwarder(
      { log },
      { turnMs: () => longestTurnMs(classes.configs.values()) },
    )
    const { send } = components
    const reservations = new Reservations({ clock, send }, { timeoutMs: PREPARE_TIMEOUT_MS })
    this.#reservations = reservations
    this.#standbys = new Standbys({
      clock,
      log,
      reserve: (id, from, stateBytes) => reservations.ask(id, from, stateBytes),
    })
    this.#feeds = new StandbyFeeds(
      { clock, log, onChanged: (worker) => table.active.note(worker.name) },
      { node, tokens, hasStandby: (name) => (classes.configs.get(name)?.standby ?? 0) > 0 },
    )
    this.#moves = new Moves(
      { table, sessions: this.#sessions, classes, store, clock, log, reservations, send, tokens },
      setup,
    )
    this.#server = new HostServer(
      { table, forwarder: this.#forwarder, clock, log },
      {
        node,
        tokens,
        bodyBytesMax: limits.bodyBytesMax,
        upgrades: {
          [SESSION_PROTOCOL]: (socket) => this.#sessions.connect(socket),
          'aries-move': (socket) => this.#moves.accept(socket),
          'aries-standby': (socket) => this.#standbys.accept(socket),
        },
      },
    )
    const { heapBytes } = components
    table.work.heapBytes = heapBytes
    const heap = heapBytes && new HeapUse({ clock, heapBytes })
    this.#stats = new StatsSampler(
      { heap, table, sessions: this.#sessions, server: this.#server, clock },
      {
        cannotMove: (worker) => this.#moves.cannotMove(worker),
        standbyOf: (worker) => this.#feeds.standbyOf(worker),
      },
    )
  }

  /** Listens and says so (`ready`). */
  async start(): Promise<void> {
    const port = await this.#server.listen(this.#setup.bind)
    this.#every(
      () => this.#sweepMs(),
      () => this.#sweep(),
    )
    this.#every(
      () => STATS_INTERVAL_MS,
      () => this.#report(),
    )
    this.#c.send({ type: 'ready', port })
  }

  /** Takes no new connection, finishes what runs, waits for its commits. */
  async stop(): Promise<void> {
    const closed = this.#server.close()
    this.#table.stop()
    await this.#idle()
    await Promise.all([...this.#table.values()].map((worker) => quiet(worker)))
    this.#stopped = true
    for (const timer of this.#timers) timer.cancel()
    this.#sessions.end()
    this.#moves.destroy()
    this.#feeds.stop()
    this.#standbys.destroy()
    await Promise.all([this.#forwarder.close(), this.#calls.close()])
    await closed
  }

  handle(message: ToHost): void {
    switch (message.type) {
      case 'version':
        this.#answer(message.call, this.#classes.load(message.class).then(versionOf))
        break
      case 'open':
        this.#answer(message.call, this.#open(message))
        break
      case 'forget':
        this.#answer(message.call, this.#table.forget(message.id, message.epoch))
        break
      case 'freeze':
        this.#answer(message.call, this.#freeze(message.id, message.freeze))
        break
      case 'close':
        this.#answer(message.call, this.#close(message.id))
        break
      case 'load':
        this.#answer(message.call, this.#classes.loadAll())
        break
      case 'move':
        this.#answer(message.call, this.#moves.move(message.id, message.to))
        break
      case 'reserved':
        this.#reservations.answered(message.call, message.refusal)
        break
      case 'resolved':
        this.#calls.resolved(message)
        break
      case 'declare':
        this.#classes.declare(message.classes)
        this.#table.reconfigure()
        this.#feeds.reconfigure(this.#table.values())
        break
      case 'tokens':
        this.#tokens.set(message.tokens)
        this.#answer(message.call, Promise.resolve())
        break
      case 'standby-hosts':
        this.#feeds.setHosts(message.hosts)
        break
      case 'node':
        this.#forwarder.setDead(message.node, message.dead)
        this.#calls.setDead(message.node, message.dead)
        break
      case 'vouch':
        this.#committer.vouch.renew(message.atMs)
        break
      case 'fenced':
        this.#c.log.warn('fenced: everything is dropped')
        this.#table.fence()
        break
      default:
        break
    }
  }

  #answer(call: number, doing: Promise<unknown>): void {
    doing.then(
      (result) => {
        this.#c.send({ type: 'answer', call, result: (result ?? null) as Answer })
      },
      (error: unknown) => {
        const failed = toAriesError(error)
        if (failed.code === 'ARIES_E_INTERNAL') this.#c.log.error({ err: error }, 'call failed')
        this.#c.send({ type: 'failed', call, error: failed.toBody() })
      },
    )
  }

  async #freeze(id: WorkerId, freeze: boolean): Promise<void> {
    const name = formatWorkerId(id)
    await this.#table.rouse(name)
    const worker = this.#table.get(name)
    if (!worker) throw new AriesError('ARIES_E_NOT_OWNER', `${name} is not on this node any more`)
    await new Promise<void>((resolve, reject) => {
      const ended = (error?: AriesError): void => (error ? reject(error) : resolve())
      const init = { freeze, arrivedMs: this.#c.clock.nowMs() }
      worker.offer(new FreezeMail(worker, init, ended), true)
    })
  }

  async #open({ id, epoch, from }: Extract<ToHost, { type: 'open' }>): Promise<void> {
    await this.#moves.claimed(id)
    await this.#table.open(id, epoch, from)
  }

  async #close(id: WorkerId): Promise<void> {
    const name = formatWorkerId(id)
    await this.#table.settled(name)
    const worker = this.#table.awake(name)
    if (this.#table.letGo(name)) {
      this.#c.send({ type: 'gone', id, owner: undefined, why: 'closed' })
    }
    if (!worker) return
    await new Promise<void>((resolve) => {
      worker.offer(new StopMail(worker, this.#c.clock.nowMs(), 'closed', resolve), true)
    })
    if (this.#table.awake(name) !== worker) return
    const waiting = worker.retire()
    this.#table.remove(worker)
    this.#sessions.lose(worker, 'the worker was closed')
    const error = new AriesError('ARIES_E_NOT_OWNER', `${worker.name} was closed here`)
    for (const mail of waiting) mail.fail(error)
    this.#c.send({ type: 'gone', id, owner: undefined, why: 'closed' })
  }

  #lost(worker: OpenWorker, why: 'fenced' | 'store'): void {
    this.#c.log.warn({ worker: worker.name, epoch: worker.epoch, why }, 'worker dropped')
    this.#sessions.lose(worker, 'the worker is restarted elsewhere')
    this.#c.send({ type: 'gone', id: worker.id, owner: undefined, why })
  }

  /** A time limit is kept to a twentieth of itself. */
  #sweepMs(): number {
    let sweepMs = SWEEP_INTERVAL_MS_MAX
    for (const { requestTimeoutMs } of this.#classes.configs.values()) {
      sweepMs = Math.min(sweepMs, requestTimeoutMs / 20)
    }
    return Math.max(SWEEP_INTERVAL_MS_MIN, sweepMs)
  }

  #report(): void {
    const stats = this.#stats.sample()
    this.#c.send({ type: 'stats', stats })
    this.#c.tidy?.look(stats)
  }

  #sweep(): void {
    for (const name of this.#table.active.names()) this.#table.awake(name)?.expire()
    this.#sessions.sweep()
  }

  /** Resolves when no request is running or waiting. */
  #idle(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#server.inFlight === 0 && this.#forwarder.inFlight === 0) resolve()
        else this.#c.clock.after(SWEEP_INTERVAL_MS_MIN, look)
      }
      look()
    })
  }

  #every(intervalMs: () => number, run: () => void): void {
    let timer: TimerHandle
    const again = (): void => {
      this.#timers.delete(timer)
      if (this.#stopped) return
      run()
      next()
    }
    const next = (): void => {
      timer = this.#c.clock.after(intervalMs(), again)
      this.#timers.add(timer)
    }
    next()
  }
}

function quiet(worker: OpenWorker): Promise<void> {
  return new Promise((resolve) => worker.pause(resolve))
}
