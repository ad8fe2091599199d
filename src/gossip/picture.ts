import { NO_META } from './claim.ts'
import type { Place } from './member-table.ts'
import type { LoadVector, Member, MemberMeta } from './types.ts'

interface Seen {
  member: Member
  /** When the load was measured, on the clock of the picture. */
  loadMs: number
}

/** What a process knows of the members: what its gossip thread told last, and itself as it is now. */
export class Picture {
  readonly #selfId: string
  readonly #nowMs: () => number
  readonly #seen = new Map<string, Seen>()
  #meta: MemberMeta = NO_META
  #load: LoadVector | undefined
  #loadMs = Number.NEGATIVE_INFINITY

  /** As the map has it: nobody but this member was heard of. */
  constructor(init: { selfId: string; places: readonly Place[]; nowMs: () => number }) {
    this.#selfId = init.selfId
    this.#nowMs = init.nowMs
    for (const place of init.places) {
      const state = place.id === init.selfId ? 'alive' : 'unreachable'
      const nothing = { boot: 0, version: 0, meta: NO_META, load: undefined }
      this.take({ ...place, ...nothing, state, loadAgeMs: Number.POSITIVE_INFINITY }, 0)
    }
  }

  /** `atMs`: when its age was right. */
  take(member: Member, atMs: number): void {
    this.#seen.set(member.id, { member, loadMs: atMs - member.loadAgeMs })
  }

  takeLoad({ id, load, loadAgeMs }: Pick<Member, 'id' | 'load' | 'loadAgeMs'>, atMs: number): void {
    const seen = this.#seen.get(id)
    if (!seen) return
    seen.member = { ...seen.member, load }
    seen.loadMs = atMs - loadAgeMs
  }

  forget(id: string): void {
    this.#seen.delete(id)
  }

  /** What this member says of itself holds here at once, and with the others when they hear it. */
  setMeta(meta: MemberMeta): void {
    this.#meta = meta
  }

  setLoad(load: LoadVector): void {
    this.#load = load
    this.#loadMs = this.#nowMs()
  }

  get meta(): MemberMeta {
    return this.#meta
  }

  get load(): LoadVector | undefined {
    return this.#load
  }

  all(): Member[] {
    const nowMs = this.#nowMs()
    return Array.from(this.#seen.values(), (seen) => this.#describe(seen, nowMs))
  }

  get(id: string): Member | undefined {
    const seen = this.#seen.get(id)
    return seen && this.#describe(seen, this.#nowMs())
  }

  /** A member as it was told, with what this process knows better. */
  corrected(member: Member): Member {
    return member.id === this.#selfId ? { ...member, meta: this.#meta } : member
  }

  #describe({ member, loadMs }: Seen, nowMs: number): Member {
    if (member.id !== this.#selfId) return { ...member, loadAgeMs: nowMs - loadMs }
    return { ...member, meta: this.#meta, load: this.#load, loadAgeMs: nowMs - this.#loadMs }
  }
}
