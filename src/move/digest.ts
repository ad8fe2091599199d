const MODULUS = 2 ** 48

/** A hash of one section, name and value, as a whole number below 2^48. */
export type SectionHash = (name: string, value: Uint8Array) => number

/**
 * A digest of a set of sections that does not depend on their order and is kept up to date section
 * by section: the sum of their hashes modulo 2^48. At the fence of a move it is simply there.
 */
export class Digest {
  readonly #hash: SectionHash
  readonly #hashes = new Map<string, number>()
  #sum = 0

  constructor(hash: SectionHash) {
    this.#hash = hash
  }

  get value(): number {
    return this.#sum
  }

  get count(): number {
    return this.#hashes.size
  }

  has(name: string): boolean {
    return this.#hashes.has(name)
  }

  set(name: string, value: Uint8Array): void {
    this.remove(name)
    const hash = this.#hash(name, value)
    this.#hashes.set(name, hash)
    this.#sum = (this.#sum + hash) % MODULUS
  }

  remove(name: string): void {
    const hash = this.#hashes.get(name)
    if (hash === undefined) return
    this.#hashes.delete(name)
    this.#sum = (this.#sum - hash + MODULUS) % MODULUS
  }
}
