/** How a front chooses among the targets of a request. */
import { z } from 'zod'
import { ms } from './values.ts'

export const balanceSchema = z
  .strictObject({
    candidates: z
      .int()
      .min(1)
      .max(4_096)
      .default(64)
      .describe(
        'Random targets compared for one request: all of a usual route; of thousands as many as cost less than a microsecond.',
      ),
    slowStartMs: ms
      .default(10_000)
      .describe(
        'Milliseconds in which a target that joins or comes back gets more and more requests, from a tenth of its share on.',
      ),
    panicBelow: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe(
        'Part of healthy upstreams of a route below which all are asked, the ill too: the checks may be wrong, and the few would not bear everything. 0: only when none is healthy.',
      ),
    inFlightMax: z
      .int()
      .min(1)
      .default(512)
      .describe(
        'Requests of one shard in flight at one target, from which on it is full. One that tells how many it serves at a time (`aries-load`; pools do) is full with 64 requests for each.',
      ),
    queueMax: z
      .int()
      .min(0)
      .default(1_000)
      .describe(
        'Requests of one route and shard that may wait at the front while every target is full; more are answered 503 at once.',
      ),
    queueTimeoutMs: ms
      .default(5_000)
      .describe('Milliseconds that a request may wait so; then it is answered 503.'),
    retryRatio: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe(
        'Requests that may be sent again to another target, as a part of all; 0.2 is a fifth. Those that never reached a target do not count.',
      ),
    retriesPerSecond: z
      .int()
      .min(0)
      .default(10)
      .describe('Requests a second that may be sent again on top, per shard.'),
  })
  .prefault({})
  .describe('Choosing a target for a request: tasks and upstreams.')
