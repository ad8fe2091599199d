import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { keyId } from '../keys.ts'

/** One life of a member, as its header names it. */
export interface Life {
  readonly id: string
  readonly boot: number
  readonly salt: number
}

/** The cluster's keys by id, and what is derived of them for each sender. */
export class SealingKeys {
  readonly #cluster: string
  #keys: ReadonlyMap<string, string>
  #primary: string | undefined

  constructor(init: { cluster: string; keys: readonly string[] }) {
    this.#cluster = init.cluster
    this.#keys = byId(init.keys)
    this.#primary = firstId(this.#keys)
  }

  set(keys: readonly string[]): void {
    this.#keys = byId(keys)
    this.#primary = firstId(this.#keys)
  }

  /** Id of the key that seals; undefined when there is none. */
  get primary(): string | undefined {
    return this.#primary
  }

  get ids(): string[] {
    return [...this.#keys.keys()]
  }

  /**
   * The key under which a life of a sender seals, by HKDF-SHA256 (RFC 5869); undefined when there
   * is no key `id`. A boot that comes twice, because a clock was set back, has another salt.
   */
  derive(id: string, life: Life): KeyObject | undefined {
    const key = this.#keys.get(id)
    if (key === undefined) return undefined
    const info = `aries gossip ${life.id} ${life.boot} ${life.salt}`
    const bits = hkdfSync('sha256', key, this.#cluster, info, 32)
    return createSecretKey(Buffer.from(bits))
  }
}

function byId(keys: readonly string[]): Map<string, string> {
  return new Map(keys.map((key) => [keyId(key), key]))
}

function firstId(keys: ReadonlyMap<string, string>): string | undefined {
  return keys.keys().next().value
}
