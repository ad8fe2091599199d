import type { ClaimOutcome, ToSource, ToTarget } from '../move/messages.ts'
import { Source, type SourceEffect, type SourceEvent, type SourceResult } from '../move/source.ts'
import { Target, type TargetEffect, type TargetEvent } from '../move/target.ts'
import type { Section } from '../store/store.ts'
import type { Random, TimerHandle } from '../world.ts'
import type { MoveChecks } from './move-checks.ts'
import type { MoveStore, SimClaim } from './move-store.ts'
import { migration, type SimState, SimWorker } from './move-worker.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** On the wire between two hosts: which move, and which end it is for. */
export interface MoveEnvelope {
  readonly move: number
  readonly to: 'source' | 'target'
  readonly message: ToTarget | ToSource
}

export interface MoveHostComponents {
  readonly clock: VirtualClock
  readonly random: Random
  readonly store: MoveStore
  readonly checks: MoveChecks
  readonly send: (from: string, to: string, envelope: MoveEnvelope) => void
  /** Called at each step of a protocol: the place for a crash. */
  readonly step: (host: MoveHost, what: string) => void
}

interface SourceEnd {
  readonly core: Source
  readonly peer: string
  readonly timers: Map<string, TimerHandle>
  readonly ended: (result: SourceResult) => void
}

interface TargetEnd {
  readonly core: Target
  readonly peer: string
  timer: TimerHandle | undefined
  /** What came, before it was migrated. */
  came: ReadonlyMap<string, Uint8Array> | undefined
}

const TIMES = { prepareTimeoutMs: 60, copyTimeoutMs: 120, turnBudgetMs: 25, fenceTimeoutMs: 30 }
const PIECE_SECTIONS = 3

/** One host: at most one open worker, and its ends of moves. Lost whole at a crash. */
export class MoveHost {
  readonly node: string
  readonly incarnation: number
  /** One host process a node here. */
  readonly host = 1
  readonly classVersion: number
  worker: SimWorker | undefined
  isDown = false
  /** Where the worker went from here. */
  wentTo: string | undefined
  readonly #c: MoveHostComponents
  readonly #sources = new Map<number, SourceEnd>()
  readonly #targets = new Map<number, TargetEnd>()

  constructor(components: MoveHostComponents, node: string, classVersion: number) {
    this.#c = components
    this.classVersion = classVersion
    this.node = node
    this.incarnation = components.store.register(node)
  }

  get isMoving(): boolean {
    return this.#sources.size > 0
  }

  crash(): void {
    this.isDown = true
    this.worker?.drop()
    this.worker = undefined
    for (const { timers } of this.#sources.values())
      for (const timer of timers.values()) timer.cancel()
    for (const { timer } of this.#targets.values()) timer?.cancel()
  }

  /** `stored`: the sections as the store has them. */
  open(state: SimState, stored: ReadonlyMap<string, string> = state.sections): void {
    const { clock, random, store, checks } = this.#c
    this.worker?.drop()
    this.wentTo = undefined
    const lost = (worker: SimWorker, why: string): void => {
      if (this.worker === worker) this.worker = undefined
      for (const move of this.#sources.keys()) this.#source(move, { type: 'worker-lost', why })
    }
    this.worker = new SimWorker({ clock, random, store, checks, lost }, this, state)
    checks.opened(this.node, this.classVersion, { ...state, sections: stored })
  }

  /** Begins a move to `peer`; `small`: the state goes with the fence. */
  move(move: number, peer: string, small: boolean, ended: (result: SourceResult) => void): void {
    const worker = this.worker!
    const core = new Source(
      {
        worker: 'counter/k',
        node: this.node,
        host: this.host,
        target: peer,
        epoch: worker.epoch,
        stateBytes: small ? 1_000 : 1_000_000,
        version: worker.version,
        ...TIMES,
      },
      sectionHash,
    )
    this.#sources.set(move, { core, peer, timers: new Map(), ended })
    worker.tail = (seq, set, remove) => {
      const changes = { set: set.map(([name, value]) => ({ name, value: bytes(value) })), remove }
      this.#source(move, { type: 'turn', seq, changes })
    }
    this.#source(move, { type: 'begin' })
  }

  receive(from: string, { move, to, message }: MoveEnvelope): void {
    if (this.isDown) return
    if (to === 'source') {
      this.#source(move, { type: 'message', message: message as ToSource })
      return
    }
    if (!this.#targets.has(move)) {
      if (message.type !== 'prepare') return
      const core = new Target({ node: this.node, host: this.host, limitMs: 250 }, sectionHash)
      this.#targets.set(move, { core, peer: from, timer: undefined, came: undefined })
    }
    this.#target(move, { type: 'message', message: message as ToTarget })
  }

  /** The connection of a move broke. */
  linkLost(move: number): void {
    if (this.isDown) return
    if (this.#sources.has(move)) this.#source(move, { type: 'link-lost' })
    if (this.#targets.has(move)) this.#target(move, { type: 'link-lost' })
  }

  #source(move: number, event: SourceEvent): void {
    const end = this.#sources.get(move)
    if (!end || this.isDown) return
    for (const effect of end.core.handle(event, this.#c.clock.nowMs())) {
      this.#c.step(this, `source ${effect.do}`)
      if (this.isDown) return
      this.#applySource(move, end, effect)
    }
  }

  #applySource(move: number, end: SourceEnd, effect: SourceEffect): void {
    const { clock, store, checks, send } = this.#c
    const { worker } = this
    switch (effect.do) {
      case 'send':
        if (effect.message.type === 'fence') checks.fenced(this.node, end.core.init.epoch)
        send(this.node, end.peer, { move, to: 'target', message: effect.message })
        break
      case 'copy':
        this.#copy(move, end, [...(worker?.sections.keys() ?? [])])
        break
      case 'pause':
        worker?.pause(() => this.#quiet(move, effect.whole))
        break
      case 'resume':
        worker?.resume(effect.epoch)
        break
      case 'claim':
        store.claim(this, effect.fromEpoch, 'handover', (claim) =>
          this.#source(move, { type: 'claimed', outcome: outcomeOf(claim) }),
        )
        break
      case 'hand-over':
        this.wentTo = end.peer
        worker?.handOver(end.peer)
        this.worker = undefined
        break
      case 'drop':
        worker?.drop()
        this.worker = undefined
        break
      case 'timer': {
        end.timers.get(effect.name)?.cancel()
        if (effect.delayMs === undefined) break
        const fire = (): void => this.#source(move, { type: 'timer', name: effect.name })
        end.timers.set(effect.name, clock.after(effect.delayMs, fire))
        break
      }
      case 'end':
        if (worker) worker.tail = undefined
        this.#sources.delete(move)
        end.ended(effect.result)
        break
    }
  }

  /** It takes a while, and fails now and then. */
  #migrate(move: number, sections: ReadonlyMap<string, Uint8Array>): void {
    const { clock, random } = this.#c
    const [name, text] = migration(textOf(sections), this.classVersion)
    const set = [{ name, value: bytes(text) }]
    const migrated = new Map(sections).set(name, bytes(text))
    const fails = random.next() < 0.1
    const longMs = random.next() < 0.1 ? 40 : 5
    clock.after(random.next() * longMs, () =>
      this.#target(
        move,
        fails
          ? { type: 'migrate-failed', failure: { why: 'migrate threw' } }
          : { type: 'migrated', migrated: { sections: migrated, changes: { set, remove: [] } } },
      ),
    )
  }

  #copy(move: number, end: SourceEnd, names: string[]): void {
    const { worker } = this
    if (!worker || this.isDown || end.core.phase !== 'copy') return
    const set = names
      .splice(0, PIECE_SECTIONS)
      .filter((name) => worker.sections.has(name) && !end.core.hasSent(name))
      .map((name) => ({ name, value: bytes(worker.sections.get(name)!) }))
    if (set.length > 0) this.#source(move, { type: 'sections', seq: worker.seq, set })
    if (names.length === 0) this.#source(move, { type: 'copied' })
    else this.#c.clock.after(0.3, () => this.#copy(move, end, names))
  }

  #quiet(move: number, whole: boolean): void {
    const { sections, seq, version } = this.worker!
    const all = Array.from(sections, ([name, value]) => ({ name, value: bytes(value) }))
    this.#source(move, {
      type: 'quiet',
      seq,
      version,
      count: sections.size,
      whole: whole ? all : undefined,
      sessions: [],
    })
  }

  #target(move: number, event: TargetEvent): void {
    const end = this.#targets.get(move)
    if (!end || this.isDown) return
    for (const effect of end.core.handle(event, this.#c.clock.nowMs())) {
      this.#c.step(this, `target ${effect.do}`)
      if (this.isDown) return
      this.#applyTarget(move, end, effect)
    }
  }

  #applyTarget(move: number, end: TargetEnd, effect: TargetEffect): void {
    const { clock, random, store, send } = this.#c
    switch (effect.do) {
      case 'admit': {
        const refusal = random.next() < 0.05 ? 'no room' : undefined
        const { classVersion } = this
        clock.after(random.next() * 2, () =>
          this.#target(move, { type: 'admitted', refusal, classVersion }),
        )
        break
      }
      case 'send':
        send(this.node, end.peer, { move, to: 'source', message: effect.message })
        break
      case 'claim':
        store.claim(this, effect.fromEpoch, 'handover', (claim) =>
          this.#target(move, { type: 'claimed', outcome: outcomeOf(claim) }),
        )
        break
      case 'migrate':
        end.came = effect.sections
        this.#migrate(move, effect.sections)
        break
      case 'open': {
        const { sections, epoch, seq, version, migrated } = effect
        // The control loop may have had it opened, when the answer to the claim was late.
        if (this.worker && this.worker.epoch >= epoch) break
        if (!sections) break
        const state = { epoch, seq, version, sections: textOf(sections) }
        this.open(state, textOf(end.came ?? sections))
        if (migrated) this.worker?.migrated([...textOf(sectionMap(migrated.set))])
        break
      }
      case 'timer':
        end.timer?.cancel()
        if (effect.delayMs === undefined) break
        end.timer = clock.after(effect.delayMs, () => this.#target(move, { type: 'timer' }))
        break
      case 'end':
        break
    }
  }
}

function outcomeOf(claim: SimClaim): ClaimOutcome {
  if (claim.ok || claim.why === 'fenced' || claim.why === 'unknown') return claim
  if (claim.why === 'class-older') throw new Error('a handover is not asked for its version')
  const { node, host, epoch, seq } = claim.owner
  return { ok: false, why: 'conflict', node, host, epoch, seq }
}

const bytes = (text: string): Uint8Array => Buffer.from(text)

function sectionMap(sections: readonly Section[]): Map<string, Uint8Array> {
  return new Map(sections.map(({ name, value }) => [name, value]))
}

function textOf(sections: ReadonlyMap<string, Uint8Array>): Map<string, string> {
  return new Map(Array.from(sections, ([name, value]) => [name, Buffer.from(value).toString()]))
}

/** Good enough to tell the small texts of the simulation apart: FNV-1a. */
function sectionHash(name: string, value: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193)
  for (const byte of value) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
