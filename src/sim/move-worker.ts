import type { Random } from '../world.ts'
import type { MoveChecks } from './move-checks.ts'
import type { MoveStore, SimClaimer, SimRecord } from './move-store.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** A request of the front on its way: told how it went, exactly once per delivery. */
export interface SimRequest {
  readonly id: number
  readonly acknowledged: (value: number, epoch: number, node: string) => void
  /** Nothing was applied. */
  readonly notOwner: () => void
  readonly outcomeUnknown: () => void
  readonly movedTo: (node: string) => void
}

export interface SimWorkerComponents {
  readonly clock: VirtualClock
  readonly random: Random
  readonly store: MoveStore
  readonly checks: MoveChecks
  readonly lost: (worker: SimWorker, why: string) => void
}

/** A state as a host opens it. */
export interface SimState {
  readonly epoch: number
  readonly seq: number
  readonly version: number
  readonly sections: ReadonlyMap<string, string>
}

/** Every version that the state was migrated to, in order. */
export const VERSIONS_SECTION = 'versions'

/** What `migrate` changes: done twice, it shows. */
export function migration(
  sections: ReadonlyMap<string, string>,
  to: number,
): [name: string, value: string] {
  return [VERSIONS_SECTION, `${sections.get(VERSIONS_SECTION)} ${to}`]
}

const TURN_MS_MAX = 3
const LONG_TURN_MS = 60

/** A worker as the cores of a move need one: turns, commits under way, a mailbox that can be closed. */
export class SimWorker {
  readonly sections: Map<string, string>
  epoch: number
  seq: number
  /** Of the state. */
  version: number
  tail:
    | ((
        seq: number,
        set: readonly (readonly [string, string])[],
        remove: readonly string[],
      ) => void)
    | undefined
  readonly #c: SimWorkerComponents
  readonly #by: SimClaimer
  readonly #queue: SimRequest[] = []
  readonly #held: { request: SimRequest; value: number; seq: number }[] = []
  readonly #uncommitted: SimRecord[] = []
  #running: SimRequest | undefined
  #paused = false
  #gone = false
  #onQuiet: (() => void) | undefined

  constructor(components: SimWorkerComponents, by: SimClaimer, state: SimState) {
    this.#c = components
    this.#by = by
    this.epoch = state.epoch
    this.seq = state.seq
    this.version = state.version
    this.sections = new Map(state.sections)
  }

  offer(request: SimRequest): void {
    if (this.#gone) {
      request.notOwner()
      return
    }
    this.#queue.push(request)
    this.#pump()
  }

  /** The first record after a move: what `migrate` changed in the sections that it began with. */
  migrated(set: SimRecord['set']): void {
    this.seq++
    this.version = this.#by.classVersion
    const { seq, epoch, version } = this
    this.#uncommitted.push({ epoch, seq, version, request: 0, set, remove: [] })
    this.#commit()
  }

  pause(onQuiet: () => void): void {
    this.#paused = true
    this.#onQuiet = onQuiet
    this.#checkQuiet()
  }

  resume(epoch: number): void {
    this.epoch = epoch
    this.#paused = false
    this.#onQuiet = undefined
    this.#pump()
  }

  handOver(node: string): void {
    this.#gone = true
    for (const request of this.#queue.splice(0)) request.movedTo(node)
  }

  /** The process or the worker is lost: what was under way is unknown, what waited was not applied. */
  drop(): void {
    if (this.#gone) return
    this.#gone = true
    for (const { request } of this.#held.splice(0)) request.outcomeUnknown()
    this.#running?.notOwner()
    for (const request of this.#queue.splice(0)) request.notOwner()
  }

  #pump(): void {
    if (this.#running || this.#paused || this.#gone) return
    const request = this.#queue.shift()
    if (!request) return
    this.#running = request
    const { clock, random, checks } = this.#c
    checks.turn(this.#by.node, this.epoch)
    const long = random.next() < 0.02
    clock.after(long ? LONG_TURN_MS : random.next() * TURN_MS_MAX, () => this.#finish(request))
  }

  #finish(request: SimRequest): void {
    if (this.#gone) return
    this.#running = undefined
    this.seq++
    const value = Number(this.sections.get('count') ?? 0) + 1
    const set: [string, string][] = [
      ['count', String(value)],
      [`slot${value % 7}`, `request ${request.id}`],
    ]
    const remove = value % 5 === 0 ? [`slot${(value + 3) % 7}`] : []
    if (this.version < this.#by.classVersion) {
      this.version = this.#by.classVersion
      set.push(migration(this.sections, this.version))
    }
    const removed = remove.filter((name) => this.sections.delete(name))
    for (const [name, text] of set) this.sections.set(name, text)
    const { seq, epoch, version } = this
    this.#held.push({ request, value, seq })
    this.#uncommitted.push({ epoch, seq, version, request: request.id, set, remove: removed })
    this.tail?.(seq, set, removed)
    if (this.#uncommitted.length === 1) this.#commit()
    this.#pump()
  }

  /** One after the other, as the committer of a host does. */
  #commit(): void {
    const record = this.#uncommitted[0]
    if (!record || this.#gone) return
    this.#c.store.commit(this.#by, record, (result) => {
      if (this.#gone) return
      if (result !== 'ok') {
        const why = result === 'fenced' ? 'fenced' : 'store'
        this.drop()
        this.#c.lost(this, why)
        return
      }
      this.#uncommitted.shift()
      while (this.#held[0] && this.#held[0].seq <= record.seq) {
        const { request, value } = this.#held.shift()!
        request.acknowledged(value, record.epoch, this.#by.node)
      }
      this.#checkQuiet()
      this.#commit()
    })
  }

  #checkQuiet(): void {
    if (!this.#paused || this.#running || this.#uncommitted.length > 0) return
    const onQuiet = this.#onQuiet
    this.#onQuiet = undefined
    onQuiet?.()
  }
}
