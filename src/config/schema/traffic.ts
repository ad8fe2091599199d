/** How much traffic a route takes, and which goes first when there is too much. */
import { z } from 'zod'
import { ms, RATE_KEY } from './values.ts'

export const rateLimitSchema = z.strictObject({
  by: z
    .string()
    .regex(
      RATE_KEY,
      'must be `address`, `route`, `path`, `host`, `header:<name>`, `cookie:<name>` or `query:<name>`',
    )
    .default('address')
    .describe(
      'Who shares a limit: `address` (of the client; of IPv6 its /64), `route` (all), `path`, `host`, `header:<name>`, `cookie:<name>` or `query:<name>`. Requests without one share one.',
    ),
  requests: z.int().min(1).max(1_000_000).describe('Requests in each window.'),
  windowMs: ms.default(1_000).describe('Milliseconds of a window.'),
  burst: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests that may come at once after a pause; default `requests`.'),
})

export const PRIORITIES = ['high', 'normal', 'low'] as const
export type Priority = (typeof PRIORITIES)[number]

export const prioritySchema = z
  .enum(PRIORITIES)
  .optional()
  .describe(
    'Default `normal`. When targets are full, requests of a higher priority are served first; when a shard is late (`front.shedLagMs`), those of a lower one are refused first, those of `high` never.',
  )
