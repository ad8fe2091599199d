/** The limits of a route, compiled: who has sent too much, and what it is told. */
import type { z } from 'zod'
import type { rateLimitSchema } from '../config/schema/traffic.ts'
import { AriesError } from '../errors.ts'
import type { RequestHead } from './plan.ts'
import type { Rate, RateTable, Taken } from './rate-table.ts'
import { compileRequestKey, type RequestKey } from './request-key.ts'

export type RateLimitConfig = z.output<typeof rateLimitSchema>

/** What the limits say to a request. */
export interface RateVerdict {
  /** Why it is refused; undefined: it may pass. */
  readonly error?: AriesError
  /** For its answer: those of draft-ietf-httpapi-ratelimit-headers-10. */
  readonly headers: readonly (readonly [string, string])[]
}

interface Limit {
  readonly rate: Rate
  readonly by: string
  readonly keyOf: RequestKey
  /** `by` as a string of structured fields, and the limit as a policy. */
  readonly name: string
  readonly policy: string
  /** Before each key: limits do not share buckets. */
  readonly prefix: string
}

export class RateLimits {
  readonly #table: RateTable
  readonly #limits: readonly Limit[]
  readonly #policies: readonly [string, string]

  /** `route`: tells its buckets from those of other routes, also after a reload. */
  constructor(table: RateTable, route: string, limits: readonly RateLimitConfig[]) {
    this.#table = table
    this.#limits = limits.map((limit) => ({
      ...namesOf(limit),
      rate: { ...limit, burst: limit.burst ?? limit.requests },
      by: limit.by,
      keyOf: limit.by === 'route' ? () => '' : compileRequestKey(limit.by),
      prefix: `${route}\n${JSON.stringify(limit)}\n`,
    }))
    const policies = this.#limits.map(({ policy }) => policy)
    this.#policies = ['ratelimit-policy', policies.join(', ')]
  }

  /** Counts a request. */
  check(head: RequestHead): RateVerdict {
    let left = ''
    for (const limit of this.#limits) {
      const taken = this.#table.take(limit.prefix + (limit.keyOf(head) ?? ''), limit.rate)
      if (taken.waitMs > 0) return refusal(limit, taken)
      left += `${left === '' ? '' : ', '}${leftText(limit, taken)}`
    }
    return { headers: [this.#policies, ['ratelimit', left]] }
  }
}

function namesOf({ by, requests, windowMs }: RateLimitConfig): Pick<Limit, 'name' | 'policy'> {
  const name = `"${by.replace(/["\\]/g, '')}"`
  return { name, policy: `${name};q=${requests};w=${secondsOf(windowMs)}` }
}

function refusal(limit: Limit, taken: Taken): RateVerdict {
  const { requests, windowMs } = limit.rate
  return {
    error: new AriesError(
      'ARIES_E_RATE_LIMITED',
      `more than ${requests} requests in ${windowMs} ms by ${limit.by}`,
    ),
    headers: [
      ['retry-after', String(secondsOf(taken.waitMs))],
      ['ratelimit-policy', limit.policy],
      ['ratelimit', leftText(limit, taken)],
    ],
  }
}

function leftText({ name }: Limit, { left, fullMs }: Taken): string {
  return `${name};r=${left};t=${secondsOf(fullMs)}`
}

function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000))
}
