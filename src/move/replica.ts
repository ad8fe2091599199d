import type { Section } from '../store/store.ts'
import { Digest, type SectionHash } from './digest.ts'

/**
 * A copy of a worker's state, put together from sections that were read while the worker served
 * and from what its turns changed meanwhile, in any order of the two.
 */
export class Replica {
  readonly #digest: Digest
  readonly #sections = new Map<string, Uint8Array>()
  /** Turn that each name was last heard of, removed ones too: what is older is not applied. */
  readonly #asOf = new Map<string, number>()

  constructor(hash: SectionHash) {
    this.#digest = new Digest(hash)
  }

  get sections(): ReadonlyMap<string, Uint8Array> {
    return this.#sections
  }

  /** Whether it holds what the other side says that it should: see `Digest`. */
  equals(other: { readonly digest: number; readonly count: number }): boolean {
    return this.#digest.value === other.digest && this.#digest.count === other.count
  }

  /** Sections as they were after turn `seq`, and names that it removed. */
  apply(seq: number, set: readonly Section[], remove: readonly string[]): void {
    for (const { name, value } of set) {
      if (!this.#isNews(name, seq)) continue
      this.#sections.set(name, value)
      this.#digest.set(name, value)
    }
    for (const name of remove) {
      if (!this.#isNews(name, seq)) continue
      this.#sections.delete(name)
      this.#digest.remove(name)
    }
  }

  #isNews(name: string, seq: number): boolean {
    if ((this.#asOf.get(name) ?? -1) > seq) return false
    this.#asOf.set(name, seq)
    return true
  }
}
