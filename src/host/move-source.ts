/** Drives the source of one move: the core's effects on the worker, the link and the store. */

import { AriesError, toAriesError } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import {
  Source,
  type SourceEffect,
  type SourceEvent,
  type SourceResult,
  type SourceTimer,
} from '../move/source.ts'
import type { MoveReport } from '../rpc.ts'
import type { Store } from '../store/store.ts'
import type { OwnerAddress } from '../wire.ts'
import type { Clock, TimerHandle } from '../world.ts'
import { claimHandover } from './claim.ts'
import type { Mail } from './mailbox.ts'
import type { MoveLink, MoveLinks } from './move-links.ts'
import { moveReport } from './move-report.ts'
import type { OpenWorker } from './open-worker.ts'
import { releaseState } from './release.ts'
import { copySections } from './section-copy.ts'
import { sectionHash } from './section-hash.ts'

/** A target that falls so far behind the changes is given up. */
const UNSENT_BYTES_MAX = 64 * 1024 * 1024
export const PREPARE_TIMEOUT_MS = 5_000

export interface MoveSourceComponents {
  readonly worker: OpenWorker
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly links: MoveLinks
  /** Forgets the worker here, with its sessions, and tells everyone where it went. */
  readonly handOver: (worker: OpenWorker, owner: OwnerAddress) => readonly Mail[]
  /** The worker goes on here, under a new epoch. */
  readonly onReclaimed: (id: WorkerId, epoch: number) => void
}

export interface MoveSourceInit {
  readonly node: string
  readonly incarnation: number
  readonly host: number
  readonly to: { readonly node: string; readonly host: string; readonly port: number }
  readonly copyTimeoutMs: number
  readonly turnBudgetMs: number
  readonly fenceTimeoutMs: number
}

export class MoveSource {
  readonly #c: MoveSourceComponents
  readonly #init: MoveSourceInit
  readonly #core: Source
  #link: MoveLink
  /** The connection is one that an earlier move has left. */
  #isKept: boolean
  /** That earlier moves sent over it. */
  #bytesBefore: number
  readonly #timers = new Map<SourceTimer, TimerHandle>()
  readonly #sessions: number
  /** No other connection can have anything of the state yet to send. */
  readonly #isSole: boolean
  #settle:
    | { resolve: (report: MoveReport) => void; reject: (error: AriesError) => void }
    | undefined
  /** The last message of the target said that the worker is there. */
  #hasHeard = false
  #closedMs = 0
  #quietMs = 0
  #committedMs = 0
  #switchedMs = 0
  #carried = 0

  constructor(
    components: MoveSourceComponents,
    init: MoveSourceInit,
    { link, isKept }: { readonly link: MoveLink; readonly isKept: boolean },
  ) {
    const { worker } = components
    this.#c = components
    this.#init = init
    this.#sessions = worker.sessions.size
    this.#isSole = !worker.lent
    worker.lent = true
    this.#core = new Source(
      {
        worker: worker.name,
        node: init.node,
        host: init.host,
        target: init.to.node,
        epoch: worker.epoch,
        stateBytes: worker.state.bytes,
        version: worker.version,
        prepareTimeoutMs: PREPARE_TIMEOUT_MS,
        copyTimeoutMs: init.copyTimeoutMs,
        turnBudgetMs: init.turnBudgetMs,
        fenceTimeoutMs: init.fenceTimeoutMs,
      },
      sectionHash,
    )
    this.#link = link
    this.#isKept = isKept
    this.#bytesBefore = link.bytes
  }

  /**
   * Rejects with `ARIES_E_MOVE_REFUSED` or `ARIES_E_CLASS_OLDER` when nothing was begun, with
   * `ARIES_E_MOVE_ABORTED` or `ARIES_E_MIGRATE_FAILED` when the worker stays, with `ARIES_E_FENCED`
   * when it is lost.
   */
  run(): Promise<MoveReport> {
    const { worker } = this.#c
    worker.tail = (seq, changes) => this.#handle({ type: 'turn', seq, changes })
    worker.onLost = (why) => this.#handle({ type: 'worker-lost', why })
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#begin()
    })
  }

  #begin(): void {
    this.#link.handlers = {
      message: (message) => {
        this.#hasHeard = message.type === 'committed'
        this.#handle({ type: 'message', message })
      },
      closed: () => this.#linkLost(),
    }
    if (this.#link.isOpen) this.#handle({ type: 'begin' })
    else this.#linkLost()
  }

  #linkLost(): void {
    // The target may have closed a kept one just when this move took it: it has not begun there.
    if (this.#isKept && this.#core.phase === 'prepare') void this.#beginAnew()
    else this.#handle({ type: 'link-lost' })
  }

  async #beginAnew(): Promise<void> {
    this.#isKept = false
    try {
      const link = await this.#c.links.connect(this.#init.to)
      if (this.#core.phase !== 'prepare') {
        link.end()
        return
      }
      this.#link = link
      this.#bytesBefore = 0
      this.#begin()
    } catch (error) {
      const why = toAriesError(error).message
      this.#handle({ type: 'message', message: { type: 'refused', why } })
    }
  }

  #handle(event: SourceEvent): void {
    for (const effect of this.#core.handle(event, this.#c.clock.nowMs())) this.#apply(effect)
  }

  #apply(effect: SourceEffect): void {
    const { worker, store } = this.#c
    switch (effect.do) {
      case 'send':
        this.#link.send(effect.message)
        if (this.#link.unsentBytes > UNSENT_BYTES_MAX) this.#link.destroy()
        break
      case 'copy':
        void this.#copy()
        break
      case 'pause':
        this.#pause(effect.whole)
        break
      case 'resume':
        if (effect.epoch !== worker.epoch) this.#c.onReclaimed(worker.id, effect.epoch)
        worker.resume(effect.epoch)
        break
      case 'claim':
        void claimHandover(store, worker.id, effect.fromEpoch, this.#init).then((outcome) =>
          this.#handle({ type: 'claimed', outcome }),
        )
        break
      case 'hand-over':
        this.#handOver(effect.epoch)
        break
      case 'drop':
        worker.drop('fenced')
        break
      case 'timer':
        this.#timer(effect.name, effect.delayMs)
        break
      case 'end':
        this.#end(effect.result)
        break
    }
  }

  #pause(whole: boolean): void {
    const { worker, clock } = this.#c
    const pausedMs = clock.nowMs()
    worker.pause(() => {
      this.#closedMs = Math.max(pausedMs, worker.turnEndedMs)
      this.#quietMs = clock.nowMs()
      const { sections } = worker.state
      this.#handle({
        type: 'quiet',
        seq: worker.seq,
        version: worker.version,
        count: sections.size,
        whole: whole ? Array.from(sections, ([name, value]) => ({ name, value })) : undefined,
        sessions: worker.sessions.carry(),
      })
    })
  }

  async #copy(): Promise<void> {
    const { worker, clock } = this.#c
    const isWhole = await copySections(worker, clock, {
      wanted: () => this.#core.phase === 'copy',
      has: (name) => this.#core.hasSent(name),
      take: (seq, set) => this.#handle({ type: 'sections', seq, set }),
      drained: () => this.#link.drained(),
    })
    if (isWhole) this.#handle({ type: 'copied' })
  }

  #handOver(epoch: number): void {
    const { worker, handOver, clock } = this.#c
    this.#committedMs = clock.nowMs()
    const owner: OwnerAddress = { ...this.#init.to, epoch }
    for (const mail of handOver(worker, owner)) {
      if (!mail.abandoned) this.#carried++
      mail.moved(owner)
    }
    this.#switchedMs = clock.nowMs()
    void worker.stopInstance('moved').then(() => {
      // The target has said that it has everything: this connection has nothing left to send.
      if (this.#isSole && this.#hasHeard) return releaseState(worker.state)
      return undefined
    })
  }

  #timer(name: SourceTimer, delayMs: number | undefined): void {
    this.#timers.get(name)?.cancel()
    if (delayMs === undefined) return
    this.#timers.set(
      name,
      this.#c.clock.after(delayMs, () => this.#handle({ type: 'timer', name })),
    )
  }

  #end(result: SourceResult): void {
    const { worker, log, links } = this.#c
    worker.tail = undefined
    worker.onLost = undefined
    // Only where both sides know that it is over: nothing of this move is on the way any more.
    if (result.kind === 'moved' && this.#hasHeard) links.keep(this.#link)
    else this.#link.end()
    const settle = this.#settle
    if (result.kind === 'moved') settle?.resolve(this.#report(result))
    else {
      log.warn({ worker: worker.name, to: this.#init.to.node, ...result }, 'move failed')
      const code = (result.kind === 'lost' ? undefined : result.code) ?? CODE[result.kind]
      settle?.reject(new AriesError(code, `${worker.name}: ${result.why}`))
    }
  }

  #report(result: Extract<SourceResult, { kind: 'moved' }>): MoveReport {
    const { worker } = this.#c
    return moveReport(this.#core, result, {
      id: worker.id,
      bytes: this.#link.bytes - this.#bytesBefore,
      sessions: this.#sessions,
      carried: this.#carried,
      closedMs: this.#closedMs,
      quietMs: this.#quietMs,
      committedMs: this.#committedMs,
      switchedMs: this.#switchedMs,
    })
  }
}

const CODE = {
  refused: 'ARIES_E_MOVE_REFUSED',
  aborted: 'ARIES_E_MOVE_ABORTED',
  lost: 'ARIES_E_FENCED',
} as const
