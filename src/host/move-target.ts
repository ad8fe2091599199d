/** Drives the target of one move: the core's effects on the table, the link and the store. */
import { toAriesError } from '../errors.ts'
import { formatWorkerId, parseWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { ToSource, ToTarget } from '../move/messages.ts'
import { Target, type TargetEffect, type TargetEvent } from '../move/target.ts'
import type { Store } from '../store/store.ts'
import { SectionState } from '../worker/state.ts'
import type { WorkerClass } from '../worker/worker.ts'
import type { Clock, TimerHandle } from '../world.ts'
import { claimHandover } from './claim.ts'
import type { ClassLoader } from './class-loader.ts'
import type { HostLink } from './host-link.ts'
import { migrate, versionOf } from './migrate.ts'
import { PREPARE_TIMEOUT_MS } from './move-source.ts'
import { sectionHash } from './section-hash.ts'
import type { CarriedSession } from './session-set.ts'
import type { Sessions } from './sessions.ts'
import type { WorkerTable } from './worker-table.ts'

/** A connection that moves come over, one after the other. */
export type ArrivalLink = HostLink<ToSource, ToTarget>

export interface MoveTargetComponents {
  readonly table: WorkerTable
  readonly sessions: Sessions
  readonly classes: ClassLoader
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** Asks the control loop; resolves with the reason why not, or undefined. */
  readonly reserve: (id: WorkerId, from: string, stateBytes: number) => Promise<string | undefined>
  /** It may be this node's from now on: nobody else is to open it until `over`. */
  readonly onClaiming: (id: WorkerId, over: Promise<void>) => void
  readonly onArrived: (id: WorkerId, epoch: number) => void
  /** It came, but its instance could not be made. */
  readonly onStillborn: (id: WorkerId) => void
  /** The worker came, and the source has heard all there is: the connection may bring the next. */
  readonly onOver: () => void
}

export interface MoveTargetInit {
  readonly node: string
  readonly incarnation: number
  readonly host: number
  readonly copyTimeoutMs: number
  readonly turnBudgetMs: number
}

export class MoveTarget {
  readonly #c: MoveTargetComponents
  readonly #init: MoveTargetInit
  readonly #core: Target
  readonly #link: ArrivalLink
  #timer: TimerHandle | undefined
  #id: WorkerId | undefined
  #class: WorkerClass | undefined
  /** Ends what `onClaiming` announced. */
  #over: (() => void) | undefined

  constructor(components: MoveTargetComponents, init: MoveTargetInit, link: ArrivalLink) {
    this.#c = components
    this.#init = init
    this.#link = link
    const limitMs = PREPARE_TIMEOUT_MS + init.copyTimeoutMs + init.turnBudgetMs
    this.#core = new Target({ node: init.node, host: init.host, limitMs }, sectionHash)
  }

  /** Be the target of the move that this message begins. */
  begin(message: ToTarget): void {
    this.#link.handlers = {
      message: (next) => this.#handle({ type: 'message', message: next }),
      closed: () => this.#handle({ type: 'link-lost' }),
    }
    this.#handle({ type: 'message', message })
  }

  #handle(event: TargetEvent): void {
    for (const effect of this.#core.handle(event, this.#c.clock.nowMs())) this.#apply(effect)
  }

  #apply(effect: TargetEffect): void {
    switch (effect.do) {
      case 'admit':
        void this.#admit(effect).then((refusal) => {
          const classVersion = this.#class ? versionOf(this.#class) : 0
          this.#handle({ type: 'admitted', refusal, classVersion })
        })
        break
      case 'send':
        this.#link.send(effect.message)
        break
      case 'migrate':
        void this.#migrate(effect)
        break
      case 'claim':
        this.#announce()
        void claimHandover(this.#c.store, this.#id!, effect.fromEpoch, this.#init).then((outcome) =>
          this.#handle({ type: 'claimed', outcome }),
        )
        break
      case 'open':
        this.#open(effect)
        break
      case 'timer':
        this.#timer?.cancel()
        if (effect.delayMs === undefined) break
        this.#timer = this.#c.clock.after(effect.delayMs, () => this.#handle({ type: 'timer' }))
        break
      case 'end':
        this.#end(effect.why)
        this.#over?.()
        break
    }
  }

  #end(why: string | undefined): void {
    if (why === undefined) {
      this.#c.onOver()
      return
    }
    const worker = this.#id && formatWorkerId(this.#id)
    this.#c.log.info({ worker, why }, 'move did not come')
    this.#link.end()
  }

  #announce(): void {
    if (this.#over) return
    const over = new Promise<void>((resolve) => {
      this.#over = resolve
    })
    this.#c.onClaiming(this.#id!, over)
  }

  async #admit(offer: Extract<TargetEffect, { do: 'admit' }>): Promise<string | undefined> {
    try {
      this.#id = parseWorkerId(offer.worker)
      const isHere = offer.from === this.#init.node && this.#c.table.has(offer.worker)
      if (isHere) return 'it lives in this host'
      const [refusal, workerClass] = await Promise.all([
        this.#c.reserve(this.#id, offer.from, offer.stateBytes),
        this.#c.classes.load(this.#id.class),
      ])
      this.#class = workerClass
      return refusal
    } catch (error) {
      return toAriesError(error).message
    }
  }

  async #migrate({ from, sections }: Extract<TargetEffect, { do: 'migrate' }>): Promise<void> {
    try {
      const state = new SectionState(sections)
      state.beginTurn()
      await migrate(state, from, { name: formatWorkerId(this.#id!), workerClass: this.#class! })
      const changes = state.endTurn()
      this.#handle({ type: 'migrated', migrated: { sections: state.sections, changes } })
    } catch (thrown) {
      const { message } = toAriesError(thrown)
      this.#c.log.warn(
        { err: thrown, worker: formatWorkerId(this.#id!), from },
        'migrate failed before a move',
      )
      this.#handle({
        type: 'migrate-failed',
        failure: { why: message, code: 'ARIES_E_MIGRATE_FAILED' },
      })
    }
  }

  #open(effect: Extract<TargetEffect, { do: 'open' }>): void {
    const { table, sessions, log, onArrived, onStillborn } = this.#c
    const id = this.#id!
    const { epoch, seq, sections, version, migrated } = effect
    onArrived(id, epoch)
    try {
      const carried = effect.sessions as readonly CarriedSession[]
      const already = table.get(formatWorkerId(id))
      // Opened from the store before it came; what it said since, the carried sessions have missed:
      // their fronts are told that they are lost.
      if (already && already.epoch >= epoch) return
      // Else the control loop has it opened from the store when somebody asks for it.
      if (!sections) throw new Error('the state that came is not the state of the store')
      const worker = table.add(id, this.#class!, { epoch, seq, version, sections, migrated })
      sessions.arrive(worker, carried)
      table.begin(worker)
    } catch (error) {
      log.error({ err: error, worker: id, epoch }, 'worker came but was not opened')
      onStillborn(id)
    }
  }
}
