/** Where requests go. */
import { z } from 'zod'
import { routeHealthSchema, routeOutliersSchema } from './health.ts'
import {
  hedgeSchema,
  limitsSchema,
  mirrorSchema,
  OWN_HEADERS,
  queueSchema,
  requestEditSchema,
  responseEditSchema,
  retrySchema,
} from './route-terms.ts'
import { prioritySchema, rateLimitSchema } from './traffic.ts'
import { stickySchema, upstreamSchema } from './upstreams.ts'
import { fieldName, fieldValue, TOKEN } from './values.ts'

/** The host is none of the client's to choose. */
const REDIRECT = /^(\/|https?:\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d+)?(\/|$))[!-~]*$/i

const routeBase = {
  rateLimits: z
    .array(rateLimitSchema)
    .min(1)
    .max(8)
    .optional()
    .describe(
      'How fast requests may come, over all shards of a front; others are answered 429 with `Retry-After`.',
    ),
  path: z
    .string()
    .startsWith('/')
    .describe('Pattern: `:name` takes one segment that is not empty, a last `*` the rest.'),
  host: z
    .string()
    .regex(/^(\*\.)?[a-z0-9_.:[\]-]+$/i, 'must be a host, or `*.` and the end of one')
    .optional()
    .describe('Only requests for that host; `*.example.com` takes every name under it.'),
  scheme: z
    .enum(['http', 'https'])
    .optional()
    .describe('Only requests that came that way; of a trusted proxy, to that one.'),
  methods: z
    .array(z.string().regex(TOKEN, 'is no method'))
    .min(1)
    .optional()
    .describe('Only requests of these methods.'),
  headers: z
    .record(fieldName, z.string())
    .optional()
    .describe('Only requests that have these headers with these values; `*` for any value.'),
  query: z
    .record(z.string().min(1), z.string())
    .optional()
    .describe('Only requests that have these query parameters; `*` for any value.'),
}

/** Of routes that forward. */
const terms = {
  priority: prioritySchema,
  limits: limitsSchema.optional(),
  requestHeaders: requestEditSchema
    .optional()
    .describe('What is changed in the head of the request before it is sent on.'),
  responseHeaders: responseEditSchema
    .optional()
    .describe('What is changed in the head of the response before it is sent on.'),
}

export type RouteTermsConfig = {
  readonly [K in keyof typeof terms]?: z.output<(typeof terms)[K]>
}

export type RouteConditions = {
  readonly [K in 'host' | 'scheme' | 'methods' | 'headers' | 'query']?: z.output<
    (typeof routeBase)[K]
  >
}

export const routeSchema = z.union([
  z
    .strictObject({
      ...routeBase,
      task: z
        .string()
        .describe(
          'Module of a task, relative to this file; its file name is the name of the task.',
        ),
      ...terms,
    })
    .describe('Runs a task on the node where it costs least.'),
  z
    .strictObject({
      ...routeBase,
      worker: z
        .string()
        .describe(
          'Module of a worker class, relative to this file; its file name is the name of the class. The path has one segment `:key`.',
        ),
      ...terms,
    })
    .describe(
      'Asks the worker of that class and key, wherever it lives; the first request makes it.',
    ),
  z
    .strictObject({
      ...routeBase,
      upstreams: z
        .array(upstreamSchema)
        .min(1)
        .describe(
          'The servers behind it; the healthy one that is expected to answer soonest is asked (`balance`). An entry is a URL, or says more: see below.',
        ),
      rewrite: z
        .string()
        .regex(/^\/[!-"$-~]*$/, 'must begin with / and be printable ASCII without # or ?')
        .refine((text) => !text.includes('?'), 'must not have a query: it goes along')
        .optional()
        .describe(
          'The path that the upstreams are asked for, with the `:name` and the last `*` of the path; absent: as it came. `/api/*` and `/*` strip a prefix. The query goes along.',
        ),
      upstreamHost: z
        .string()
        .regex(/^(upstream|[a-z0-9_.-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?)$/i, 'is no host')
        .optional()
        .describe(
          'The `Host` that the upstreams get: a host, or `upstream` for their own address; absent: what the client asked for.',
        ),
      ...terms,
      queue: queueSchema.optional(),
      retry: retrySchema.optional(),
      hedge: hedgeSchema.optional(),
      mirror: mirrorSchema.optional(),
      health: routeHealthSchema.optional(),
      outliers: routeOutliersSchema.optional(),
      sticky: stickySchema
        .optional()
        .describe('Which clients stay with an upstream; absent: none.'),
      forwarder: z
        .enum(['aries', 'http-proxy'])
        .default('aries')
        .describe(
          '`aries`: the own engine. `http-proxy`: the compatible one, several times slower, for those who need its exact behaviour.',
        ),
    })
    .describe('Forwards to servers that Aries did not start.'),
  z
    .strictObject({
      ...routeBase,
      redirect: z
        .string()
        .regex(REDIRECT, 'must be a path, or a URL of http or https whose host is written out')
        .describe(
          'Where to: a path or a URL, with the `:name` and the last `*` of the path. The query goes along.',
        ),
      status: z
        .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
        .default(308)
        .describe(
          'Status of the answer: 308 and 307 keep the method, 301 and 308 may be remembered by clients.',
        ),
    })
    .describe('Sends the client elsewhere.'),
  z
    .strictObject({
      ...routeBase,
      respond: z
        .strictObject({
          status: z.int().min(200).max(599).default(200).describe('Status of the answer.'),
          headers: z
            .record(
              fieldName.refine((name) => !OWN_HEADERS.test(name), 'is for the front to write'),
              fieldValue,
            )
            .default({})
            .describe('Headers of the answer.'),
          body: z.string().max(1_048_576).default('').describe('Its body, a text.'),
        })
        .describe('The answer.'),
    })
    .describe('Answers by itself, always the same.'),
])
