/** Who is well among the upstreams: by checks of them, and by how they answer clients. */
import { z } from 'zod'
import { ms } from './values.ts'

const check = {
  kind: z
    .enum(['http', 'tcp'])
    .describe('`http`: asks for `path`; `tcp`: a connection is enough (always so for `tcp://`).'),
  path: z.string().startsWith('/').describe('Path asked of each upstream.'),
  host: z
    .string()
    .regex(/^[a-z0-9_.:[\]-]+$/i, 'is no host')
    .describe('`Host` of that request; absent: the address of the upstream.'),
  expect: z
    .array(z.string().regex(/^[1-5]\d\d(-[1-5]\d\d)?$/, 'is no status, or range as in 200-399'))
    .min(1)
    .describe('Statuses that are well, as `204` or `200-399`.'),
  intervalMs: ms.describe('Milliseconds between two checks of an upstream.'),
  idleIntervalMs: ms.describe(
    'The same for one that had no request since its last check and is well; absent: `intervalMs`.',
  ),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .describe('Part by which an interval is longer or shorter at random, so that checks spread.'),
  timeoutMs: ms.describe('Milliseconds that an upstream has to answer a check.'),
  rise: z.int().min(1).describe('Good checks in a row that make an upstream healthy again.'),
  fall: z
    .int()
    .min(1)
    .describe('Bad checks in a row that make it unhealthy; one alone may be chance.'),
}

export const healthSchema = z
  .strictObject({
    kind: check.kind.default('http'),
    path: check.path.default('/'),
    host: check.host.optional(),
    expect: check.expect.default(['100-499']),
    intervalMs: check.intervalMs.default(1_000),
    idleIntervalMs: check.idleIntervalMs.optional(),
    jitter: check.jitter.default(0.1),
    timeoutMs: check.timeoutMs.default(500),
    rise: check.rise.default(1),
    fall: check.fall.default(2),
  })
  .prefault({})
  .describe('Checks of the upstreams of routes; a route may have its own.')

export const routeHealthSchema = z
  .strictObject(check)
  .partial()
  .describe('What is other in the checks of its upstreams than in `health`.')

const rules = {
  consecutive5xx: z
    .int()
    .min(0)
    .describe(
      'Answers of 500 to 599, or none, in a row to one shard that make an upstream an outlier; 0: any.',
    ),
  consecutiveGateway: z
    .int()
    .min(0)
    .describe('The same for 502, 503, 504, or no answer; 0: any, for the rule before covers them.'),
  intervalMs: ms.describe('Milliseconds that success rates are taken over.'),
  ejectionMs: ms.describe('Milliseconds that an outlier is out, times how often it was.'),
  ejectionMsMax: ms.describe('Longest time that one is out.'),
  ejectedMax: z
    .number()
    .min(0)
    .max(1)
    .describe('Part of the upstreams of a route that may be out as outliers; one always may be.'),
  upstreamsMin: z
    .int()
    .min(2)
    .describe('Upstreams with enough requests in the interval, from which on rates are compared.'),
  requestsMin: z.int().min(1).describe('Requests in the interval that are enough.'),
  deviations: z
    .number()
    .min(0)
    .max(100)
    .describe(
      'Standard deviations below the mean of the success rates, from which on one is an outlier; 0: any.',
    ),
  failureRate: z
    .number()
    .min(0)
    .max(1)
    .describe('Part of failures in the interval, from which on one is an outlier; 0: any.'),
  endedByCheck: z
    .boolean()
    .describe(
      'Whether a good check ends an ejection; only sensible where checks ask for what clients do.',
    ),
}

export const outliersSchema = z
  .strictObject({
    consecutive5xx: rules.consecutive5xx.default(5),
    consecutiveGateway: rules.consecutiveGateway.default(0),
    intervalMs: rules.intervalMs.default(10_000),
    ejectionMs: rules.ejectionMs.default(30_000),
    ejectionMsMax: rules.ejectionMsMax.default(300_000),
    ejectedMax: rules.ejectedMax.default(0.1),
    upstreamsMin: rules.upstreamsMin.default(5),
    requestsMin: rules.requestsMin.default(100),
    deviations: rules.deviations.default(1.9),
    failureRate: rules.failureRate.default(0),
    endedByCheck: rules.endedByCheck.default(false),
  })
  .prefault({})
  .describe(
    'Upstreams that answer clients worse than the others are out for a while (the rules and defaults are those of Envoy); a route may have its own.',
  )

export const routeOutliersSchema = z
  .strictObject(rules)
  .partial()
  .describe('What is other in the rules for its upstreams than in `outliers`.')
