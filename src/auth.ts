/**
 * The tokens that members show each other in `aries-auth`. Each is derived from a cluster key, so
 * that the keys themselves, which also seal gossip, never travel.
 */
import { hkdfSync, timingSafeEqual } from 'node:crypto'

/** HKDF-SHA256 (RFC 5869) of each key, in hex, in their order. */
export function dataTokens(keys: readonly string[]): string[] {
  return tokens(keys, 'aries data')
}

/** As `dataTokens`, for the parts of the admin API that run code: they open nothing else. */
export function adminTokens(keys: readonly string[]): string[] {
  return tokens(keys, 'aries admin')
}

function tokens(keys: readonly string[], purpose: string): string[] {
  return keys.map((key) => Buffer.from(hkdfSync('sha256', key, '', purpose, 32)).toString('hex'))
}

/** What a process shows and what it accepts; both change while keys are replaced. */
export class Tokens {
  #accepted: readonly string[]

  /** The first is shown, all are accepted; none: nothing is shown, and everyone is let in. */
  constructor(accepted: readonly string[]) {
    this.#accepted = accepted
  }

  set(accepted: readonly string[]): void {
    this.#accepted = accepted
  }

  /** Empty: none. */
  get shown(): string {
    return this.#accepted[0] ?? ''
  }

  /** In a time that depends on the length of what is shown alone. */
  accept(shown: string | undefined): boolean {
    if (this.#accepted.length === 0) return true
    const given = Buffer.from(shown ?? '')
    let accepted = false
    for (const token of this.#accepted) {
      const expected = Buffer.from(token)
      const equal = given.length === expected.length && timingSafeEqual(given, expected)
      accepted ||= equal
    }
    return accepted
  }
}
