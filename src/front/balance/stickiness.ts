/** Which upstream a request is bound to: by a cookie that the front gave, or by what it says. */
import { createHash, createHmac } from 'node:crypto'
import type { Route } from '../../config/schema.ts'
import { hashBoth, hashText, wanted } from '../../placement/rendezvous.ts'
import { FULL, NO_TARGET } from '../../placement/request-chooser.ts'
import type { RequestHead } from '../plan.ts'
import { compileRequestKey, cookieOf, type RequestKey } from '../request-key.ts'
import type { GroupMember, UpstreamGroup } from './upstream-group.ts'

export type StickyConfig = NonNullable<Extract<Route, { upstreams: unknown }>['sticky']>
type CookieConfig = Extract<StickyConfig, { cookie: unknown }>

export interface Stickiness {
  /** The slot that the request is bound to, `FULL` when it has to wait for it, or `NO_TARGET`. */
  choose(head: RequestHead, nowMs: number, tried: ReadonlySet<number> | undefined): number
  /** The `Set-Cookie` that binds its client to `slot`; undefined when it is bound already. */
  cookie(head: RequestHead, slot: number): string | undefined
}

export function compileStickiness(config: StickyConfig, group: UpstreamGroup): Stickiness {
  return 'cookie' in config
    ? new CookieStickiness(config, group)
    : new HashStickiness(config, group)
}

/** Characters of the value: 96 bits. */
const VALUE_LENGTH = 16

class CookieStickiness implements Stickiness {
  readonly #group: UpstreamGroup
  readonly #config: CookieConfig
  readonly #members = new Map<string, GroupMember>()
  readonly #values = new Map<number, string>()

  constructor(config: CookieConfig, group: UpstreamGroup) {
    this.#config = config
    this.#group = group
    for (const member of group.members) {
      const value = opaque(member.upstream.address.url, config.secret)
      this.#members.set(value, member)
      this.#values.set(member.slot, value)
    }
  }

  choose(head: RequestHead, nowMs: number, tried: ReadonlySet<number> | undefined): number {
    const value = cookieOf(head, this.#config.cookie)
    const member = value === undefined ? undefined : this.#members.get(value)
    if (member === undefined || !this.#group.keeps(member.slot, tried)) return NO_TARGET
    if (member.upstream.isLeft(nowMs)) return NO_TARGET
    return this.#group.isFull(member.slot, nowMs) ? FULL : member.slot
  }

  cookie(head: RequestHead, slot: number): string | undefined {
    const { cookie, path, maxAgeS, sameSite, secure, httpOnly } = this.#config
    const value = this.#values.get(slot)
    if (value === undefined || cookieOf(head, cookie) === value) return undefined
    let line = `${cookie}=${value}; Path=${path}`
    if (maxAgeS !== undefined) line += `; Max-Age=${maxAgeS}`
    if (httpOnly) line += '; HttpOnly'
    if (secure === 'always' || (secure === 'auto' && head.scheme === 'https')) line += '; Secure'
    return `${line}; SameSite=${SAME_SITE[sameSite]}`
  }
}

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const

class HashStickiness implements Stickiness {
  readonly #group: UpstreamGroup
  readonly #keyOf: RequestKey
  readonly #loadFactor: number
  readonly #hashes = new Map<number, number>()

  constructor(config: Extract<StickyConfig, { by: unknown }>, group: UpstreamGroup) {
    this.#group = group
    this.#keyOf = compileRequestKey(config.by)
    this.#loadFactor = config.loadFactor
    for (const { slot, upstream } of group.members) {
      this.#hashes.set(slot, hashText(upstream.address.url))
    }
  }

  /**
   * The one wanted most of those that are not loaded beyond their bound (Mirrokni, Thorup and
   * Zadimoghaddam 2018).
   */
  choose(head: RequestHead, nowMs: number, tried: ReadonlySet<number> | undefined): number {
    const key = this.#keyOf(head)
    if (key === undefined) return NO_TARGET
    const group = this.#group
    const hash = hashText(key)
    let inFlight = 1
    let weights = 0
    for (const { slot, weight } of group.eligible(tried)) {
      inFlight += group.inFlight(slot)
      weights += weight
    }
    let best = NO_TARGET
    let most = 0
    for (const { slot, weight } of group.eligible(tried)) {
      const bound = Math.ceil((this.#loadFactor * inFlight * weight) / weights)
      if (group.inFlight(slot) >= bound) continue
      const want = wanted(hashBoth(this.#hashes.get(slot)!, hash), weight)
      if (want <= most) continue
      best = slot
      most = want
    }
    return best >= 0 && group.isFull(best, nowMs) ? FULL : best
  }

  cookie(): undefined {}
}

function opaque(url: string, secret: string | undefined): string {
  const hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret)
  return hash.update(`aries-target\n${url}`).digest('base64url').slice(0, VALUE_LENGTH)
}
