/** The limits of a route, compiled: who has sent too much, and what it is told. */
import type { z } from 'zod'
import type { rateLimitSchema } from '../config/schema/traffic.ts'
import { AriesError } from '../errors.ts'
import type { RequestHead } from './plan.ts'
import type { Rate, RateTable, Taken } from './rate-table.ts'
import { compileRequestKey, type RequestKey } from './request-key.ts'

export type RateLimitConfig = z.output<typeof rateLimitSchema>

/** Who is refused: the error, and the headers beside it. */
export interface RateRefusal {
  readonly error: AriesError
  readonly headers: readonly (readonly [string, string])[]
}

interface Limit {
  readonly rate: Rate
  readonly by: string
  readonly keyOf: RequestKey
  /** Before each key: limits do not share buckets. */
  readonly prefix: string
}

export class RateLimits {
  readonly #table: RateTable
  readonly #limits: readonly Limit[]

  /** `route`: tells its buckets from those of other routes, also after a reload. */
  constructor(table: RateTable, route: string, limits: readonly RateLimitConfig[]) {
    this.#table = table
    this.#limits = limits.map((limit) => ({
      rate: { ...limit, burst: limit.burst ?? limit.requests },
      by: limit.by,
      keyOf: limit.by === 'route' ? () => '' : compileRequestKey(limit.by),
      prefix: `${route}\n${JSON.stringify(limit)}\n`,
    }))
  }

  /** Counts a request; undefined when it may pass. */
  refusal(head: RequestHead): RateRefusal | undefined {
    for (const limit of this.#limits) {
      const taken = this.#table.take(limit.prefix + (limit.keyOf(head) ?? ''), limit.rate)
      if (taken.waitMs > 0) return refusalOf(limit, taken)
    }
    return undefined
  }
}

/** The headers are those of draft-ietf-httpapi-ratelimit-headers-10. */
function refusalOf({ by, rate }: Limit, { waitMs, fullMs }: Taken): RateRefusal {
  const { requests, windowMs } = rate
  const name = `"${by.replace(/["\\]/g, '')}"`
  const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000))
  return {
    error: new AriesError(
      'ARIES_E_RATE_LIMITED',
      `more than ${requests} requests in ${windowMs} ms by ${by}`,
    ),
    headers: [
      ['retry-after', String(seconds(waitMs))],
      ['ratelimit-policy', `${name};q=${requests};w=${seconds(windowMs)}`],
      ['ratelimit', `${name};r=0;t=${seconds(fullMs)}`],
    ],
  }
}
