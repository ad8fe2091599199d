/** The moves of a host, out of it and into it. */

import type { Duplex } from 'node:stream'
import type { Tokens } from '../auth.ts'
import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { ToTarget } from '../move/messages.ts'
import { TO_TARGET } from '../move/shapes.ts'
import type { MoveReport } from '../rpc.ts'
import type { Store } from '../store/store.ts'
import type { OwnerAddress } from '../wire.ts'
import type { Clock } from '../world.ts'
import type { ClassLoader } from './class-loader.ts'
import { HostLink } from './host-link.ts'
import type { FromHost, HostSetup, ToHost } from './ipc.ts'
import type { Mail } from './mailbox.ts'
import { MoveLinks } from './move-links.ts'
import { MoveSource } from './move-source.ts'
import { type ArrivalLink, MoveTarget } from './move-target.ts'
import type { OpenWorker } from './open-worker.ts'
import type { Reservations } from './reservations.ts'
import type { Sessions } from './sessions.ts'
import type { WorkerTable } from './worker-table.ts'

/** Connections of moves into the host at a time; more are refused. */
const ARRIVALS_MAX = 256
/** A connection that brings no move for so long is closed: its source does not keep it that long. */
const AWAITED_MS = 30_000

export interface MovesComponents {
  readonly table: WorkerTable
  readonly sessions: Sessions
  readonly classes: ClassLoader
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly reservations: Reservations
  readonly tokens: Pick<Tokens, 'shown'>
  readonly send: (message: FromHost) => void
}

type MoveOrder = Extract<ToHost, { type: 'move' }>

export class Moves {
  readonly #c: MovesComponents
  readonly #setup: HostSetup
  /** Worker → node that it is moving to. */
  readonly #leaving = new Map<string, string>()
  readonly #links: MoveLinks
  readonly #arriving = new Set<ArrivalLink>()
  /** Those of them that the next move is awaited on, longest first. */
  readonly #awaited = new Set<ArrivalLink>()
  /** Workers that a target claims now: until that is over, nobody else may open them. */
  readonly #claiming = new Map<string, Promise<void>>()

  constructor(components: MovesComponents, setup: HostSetup) {
    this.#c = components
    this.#setup = setup
    this.#links = new MoveLinks(components)
  }

  /** Why a move of the worker would be refused, or put off, now. */
  cannotMove({ name, turnMs }: Pick<OpenWorker, 'name' | 'turnMs'>): string | undefined {
    if (turnMs < this.#setup.move.turnBudgetMs) return this.#isLeaving(name)
    return `a turn has run for ${Math.floor(turnMs / 1_000)} s`
  }

  /** Be the source; see `MoveSource.run` for the errors. */
  async move(id: WorkerId, to: MoveOrder['to']): Promise<MoveReport> {
    const name = formatWorkerId(id)
    const { node, incarnation, host } = this.#setup
    if (!this.#c.table.has(name)) {
      throw new AriesError('ARIES_E_NOT_OWNER', `${name} is not on ${node}`)
    }
    const busy = this.#isLeaving(name)
    if (busy) throw new AriesError('ARIES_E_MOVE_REFUSED', `${name}: ${busy}`)
    this.#leaving.set(name, to.node)
    this.#c.table.active.note(name)
    try {
      const kept = this.#links.take(to)
      const link = kept ?? (await this.#links.connect(to))
      // After the wait: meanwhile it may have fallen asleep, or be gone.
      const worker = await this.#c.table.toMove(name).catch((error: unknown) => {
        link.destroy()
        throw error
      })
      if (!worker) {
        link.destroy()
        throw new AriesError('ARIES_E_NOT_OWNER', `${name} is not on ${node} any more`)
      }
      const { store, clock, log, send } = this.#c
      const source = new MoveSource(
        {
          worker,
          store,
          clock,
          log,
          links: this.#links,
          handOver: (left, owner) => this.#handOver(left, owner),
          onReclaimed: (of, epoch) => send({ type: 'arrived', id: of, epoch }),
        },
        { node, incarnation, host, to, ...this.#setup.move },
        { link, isKept: kept !== undefined },
      )
      return await source.run()
    } finally {
      this.#leaving.delete(name)
      this.#c.table.active.note(name)
    }
  }

  /** A source has connected. */
  accept(socket: Duplex): void {
    if (this.#arriving.size >= ARRIVALS_MAX && !this.#makeRoom()) {
      socket.destroy()
      return
    }
    const link: ArrivalLink = new HostLink(
      socket,
      { message: () => undefined, closed: () => undefined },
      TO_TARGET,
    )
    this.#arriving.add(link)
    socket.once('close', () => this.#arriving.delete(link))
    this.#await(link)
  }

  /** Takes the place of the connection that has brought no move for longest. */
  #makeRoom(): boolean {
    const [idle] = this.#awaited
    if (!idle) return false
    this.#arriving.delete(idle)
    this.#awaited.delete(idle)
    idle.destroy()
    return true
  }

  /** The first message over the connection begins a move, and so does each after the end of one. */
  #await(link: ArrivalLink): void {
    if (!link.isOpen) return
    const timer = this.#c.clock.after(AWAITED_MS, () => link.destroy())
    const over = (): void => {
      timer.cancel()
      this.#awaited.delete(link)
    }
    this.#awaited.add(link)
    link.handlers = {
      message: (message) => {
        over()
        this.#arrive(link, message)
      },
      closed: over,
    }
  }

  #arrive(link: ArrivalLink, first: ToTarget): void {
    const { send, reservations } = this.#c
    const target = new MoveTarget(
      {
        ...this.#c,
        reserve: (id, from, stateBytes) => reservations.ask(id, from, stateBytes),
        onClaiming: (id, over) => this.#claims(formatWorkerId(id), over),
        onArrived: (id, epoch) => send({ type: 'arrived', id, epoch }),
        onStillborn: (id) => send({ type: 'gone', id, owner: undefined, why: 'closed' }),
        onOver: () => this.#await(link),
      },
      { ...this.#setup, ...this.#setup.move },
      link,
    )
    target.begin(first)
  }

  /**
   * Resolves when no move claims the worker. The claim may be applied before its answer comes: who
   * opened the worker from the store then would have it without the sessions that the move carries.
   */
  async claimed(id: WorkerId): Promise<void> {
    await this.#claiming.get(formatWorkerId(id))
  }

  #isLeaving(name: string): string | undefined {
    const to = this.#leaving.get(name)
    return to === undefined ? undefined : `it is moving to ${to}`
  }

  destroy(): void {
    this.#links.close()
    for (const link of this.#arriving) link.destroy()
  }

  #claims(name: string, over: Promise<void>): void {
    this.#claiming.set(name, over)
    void over.then(() => {
      if (this.#claiming.get(name) === over) this.#claiming.delete(name)
    })
  }

  #handOver(worker: OpenWorker, owner: OwnerAddress): readonly Mail[] {
    const waiting = worker.retire()
    this.#c.table.remove(worker, owner)
    this.#c.sessions.depart(worker, owner)
    this.#c.send({ type: 'gone', id: worker.id, owner, why: 'moved' })
    return waiting
  }
}
