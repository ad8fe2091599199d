import { type Clock, type Random, randomInt } from '../world.ts'

export interface SimRecord {
  readonly epoch: number
  readonly seq: number
  /** The request that the turn applied; 0 when it only migrated the state. */
  readonly request: number
  /** Version of the class that commits it, and so of the state from then on. */
  readonly version: number
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly remove: readonly string[]
}

export interface SimOwner {
  readonly node: string
  readonly incarnation: number
  readonly host: number
  readonly epoch: number
  readonly seq: number
  /** Version of the class that wrote the state; 0: nothing was written. */
  readonly version: number
}

export type SimClaim =
  | { readonly ok: true; readonly epoch: number; readonly seq: number }
  | { readonly ok: false; readonly why: 'conflict'; readonly owner: SimOwner }
  | { readonly ok: false; readonly why: 'fenced' }
  | { readonly ok: false; readonly why: 'class-older' }
  | { readonly ok: false; readonly why: 'unknown' }

export interface SimClaimer {
  readonly node: string
  readonly incarnation: number
  readonly host: number
  readonly classVersion: number
}

/** How long an operation or its answer takes, and how often an answer is lost. */
export interface StoreFaults {
  readonly delayMsMax: number
  readonly answerLoss: number
}

/** The rules of `src/store/store.ts` for one worker, with delays and lost answers. */
export class MoveStore {
  owner: SimOwner | undefined
  readonly sections = new Map<string, string>()
  /** Everything that was ever committed, in order. */
  readonly log: SimRecord[] = []
  readonly #incarnations = new Map<string, { incarnation: number; active: boolean }>()
  readonly #clock: Clock
  readonly #random: Random
  readonly #faults: StoreFaults
  readonly #onChange: () => void

  constructor(
    components: { clock: Clock; random: Random; onChange: () => void },
    faults: StoreFaults,
  ) {
    this.#clock = components.clock
    this.#random = components.random
    this.#onChange = components.onChange
    this.#faults = faults
  }

  register(node: string): number {
    const incarnation = (this.#incarnations.get(node)?.incarnation ?? 0) + 1
    this.#incarnations.set(node, { incarnation, active: true })
    return incarnation
  }

  evict(node: string): void {
    const known = this.#incarnations.get(node)
    if (known) known.active = false
  }

  isActive(node: string, incarnation: number): boolean {
    const known = this.#incarnations.get(node)
    return known?.active === true && known.incarnation === incarnation
  }

  claim(
    by: SimClaimer,
    fromEpoch: number,
    mode: 'takeover' | 'handover',
    answer: (claim: SimClaim) => void,
  ): void {
    this.#later(() => this.#claimNow(by, fromEpoch, mode), { ok: false, why: 'unknown' }, answer)
  }

  commit(
    by: { node: string; incarnation: number },
    record: SimRecord,
    answer: (result: 'ok' | 'fenced' | 'unknown') => void,
  ): void {
    this.#later<'ok' | 'fenced' | 'unknown'>(() => this.#commitNow(by, record), 'unknown', answer)
  }

  #claimNow(
    { node, incarnation, host, classVersion }: SimClaimer,
    fromEpoch: number,
    mode: 'takeover' | 'handover',
  ): SimClaim {
    const { owner } = this
    if (!this.isActive(node, incarnation)) return { ok: false, why: 'fenced' }
    if (owner && owner.epoch !== fromEpoch) return { ok: false, why: 'conflict', owner }
    if (owner && mode === 'takeover' && this.isActive(owner.node, owner.incarnation)) {
      return { ok: false, why: 'conflict', owner }
    }
    const { seq, version } = owner ?? { seq: 0, version: 0 }
    if (mode === 'takeover' && version > classVersion) return { ok: false, why: 'class-older' }
    this.owner = { node, incarnation, host, epoch: fromEpoch + 1, seq, version }
    this.#onChange()
    return { ok: true, epoch: fromEpoch + 1, seq }
  }

  #commitNow(by: { node: string; incarnation: number }, record: SimRecord): 'ok' | 'fenced' {
    const { owner } = this
    if (!owner || owner.epoch !== record.epoch || owner.seq + 1 !== record.seq) return 'fenced'
    if (!this.isActive(by.node, by.incarnation)) return 'fenced'
    this.owner = { ...owner, seq: record.seq, version: record.version }
    for (const [name, value] of record.set) this.sections.set(name, value)
    for (const name of record.remove) this.sections.delete(name)
    this.log.push(record)
    this.#onChange()
    return 'ok'
  }

  /** Takes effect after a delay; the answer takes another, or never comes. */
  #later<R>(operation: () => R, unknown: R, answer: (result: R) => void): void {
    const { delayMsMax, answerLoss } = this.#faults
    const delayMs = 0.2 + this.#random.next() * delayMsMax
    const lost = this.#random.next() < answerLoss
    const answerMs = 0.1 + randomInt(this.#random, 10) / 10
    this.#clock.after(delayMs, () => {
      const result = operation()
      this.#clock.after(lost ? answerMs + 50 : answerMs, () => answer(lost ? unknown : result))
    })
  }
}
