/** Sections of the fronts: their limits, the access log. */
import { z } from 'zod'
import { isTrustable } from './listeners.ts'
import { ms } from './values.ts'

export const frontSchema = z
  .strictObject({
    shards: z
      .int()
      .min(1)
      .max(64)
      .optional()
      .describe('Event loops of a front; default half of the cores, the nodes need the others.'),
    headBytesMax: z
      .int()
      .min(1_024)
      .max(1_048_576)
      .default(32_768)
      .describe('Largest request head, bytes; twice what browsers send at most.'),
    bodyBytesMax: z
      .int()
      .min(0)
      .default(104_857_600)
      .describe('Largest request body, bytes; it streams, so memory is not the limit.'),
    replayBytesMax: z
      .int()
      .min(0)
      .default(65_536)
      .describe(
        'Largest request body, bytes, that is kept to send it again to another target; larger ones are sent once.',
      ),
    keptBytesMax: z
      .int()
      .min(0)
      .default(67_108_864)
      .describe(
        'Bytes of request bodies per shard that are kept at once, while their requests wait for a target or may have to be sent again; what waits beyond is answered 503.',
      ),
    connectionsMax: z
      .int()
      .min(1)
      .default(20_000)
      .describe('Client connections per shard; more are closed at once.'),
    waitingMax: z
      .int()
      .min(1)
      .default(10_000)
      .describe(
        'Requests per shard that may wait for the owner of their worker, in a failover for instance; more are answered 503.',
      ),
    headTimeoutMs: ms
      .default(15_000)
      .describe(
        'Milliseconds from the first byte of a request head to its end; ends slow attackers.',
      ),
    idleTimeoutMs: ms
      .default(75_000)
      .describe(
        'Milliseconds that a client connection may stay open without a request; longer than what usual load balancers in front keep theirs.',
      ),
    bodyIdleTimeoutMs: ms.default(30_000).describe('Milliseconds between two pieces of a body.'),
    connectTimeoutMs: ms
      .default(1_000)
      .describe(
        'Milliseconds to open a connection to a target; within a data centre it takes one.',
      ),
    responseTimeoutMs: ms
      .default(60_000)
      .describe('Milliseconds from the request sent to the response head.'),
    requestTimeoutMs: ms
      .default(21_600_000)
      .describe(
        'Milliseconds that one request may take altogether, body and response included; long enough for a large download. Tunnels are not requests.',
      ),
    ownerTimeoutMs: ms
      .default(10_000)
      .describe(
        'Milliseconds that a request waits for its worker to have an owner; far above what a failover takes.',
      ),
    tunnelIdleTimeoutMs: ms
      .default(3_600_000)
      .describe('Milliseconds that an upgraded connection may stay silent.'),
    shedLagMs: ms
      .default(500)
      .describe(
        'Milliseconds that the event loop of a shard is late on average, from which on it refuses requests of low priority with 503, at twice that those of normal priority, ever more of them.',
      ),
    http2: z
      .strictObject({
        streamsMax: z
          .int()
          .min(1)
          .max(10_000)
          .default(100)
          .describe('Requests of one connection at a time; RFC 9113 advises no less.'),
        windowBytes: z
          .int()
          .min(65_535)
          .max(16_777_216)
          .default(65_535)
          .describe(
            'Bytes of a request body that a client may send ahead of what its target has taken. More are faster over long lines, and each stream may hold as many.',
          ),
        sessionMemoryMb: z
          .int()
          .min(1)
          .max(1_024)
          .default(10)
          .describe('Memory that one connection may hold, MB; streams beyond are refused.'),
        resetsPerSecond: z
          .int()
          .min(1)
          .default(33)
          .describe(
            'Requests a second that one connection may begin and cancel for long; who cancels more (rapid reset, CVE-2023-44487) is disconnected.',
          ),
        resetsBurst: z
          .int()
          .min(1)
          .default(1_000)
          .describe('Requests that it may cancel at once, when a page is left for instance.'),
      })
      .prefault({})
      .describe('Limits of an HTTP/2 connection of a client.'),
    trustedProxies: z
      .array(
        z
          .string()
          .refine(isTrustable, 'must be an address or a subnet, as in 10.0.0.0/8, or `unix`'),
      )
      .default([])
      .describe(
        'Addresses and subnets of the proxies before the fronts; `unix`: whoever comes over a Unix socket. Their `X-Forwarded-…` and `Forwarded` headers are believed and passed on; those of everyone else are dropped.',
      ),
    forwarded: z
      .boolean()
      .default(false)
      .describe('Whether targets get `Forwarded` (RFC 7239) beside `X-Forwarded-…`.'),
    requestId: z
      .boolean()
      .default(false)
      .describe(
        'Whether each request has an `X-Request-Id`: that of a trusted proxy, else a new one. Targets, workers and the access log get it.',
      ),
    trace: z
      .strictObject({
        sample: z
          .number()
          .min(0)
          .max(1)
          .default(0.01)
          .describe('Part of the traces that begin here that are marked as sampled.'),
        export: z
          .strictObject({
            url: z
              .url({ protocol: /^https?$/ })
              .describe('Where the collector takes them, as in `http://127.0.0.1:4318/v1/traces`.'),
            headers: z
              .record(z.string(), z.string())
              .default({})
              .describe('Sent with each batch, a token for instance.'),
            batchMax: z
              .int()
              .min(1)
              .max(2_000)
              .default(200)
              .describe('Requests that are sent at a time.'),
            queueMax: z
              .int()
              .min(1)
              .max(50_000)
              .default(2_000)
              .describe(
                'Requests that wait to be sent, and that each shard takes in a second; more are dropped.',
              ),
            timeoutMs: ms.default(10_000).describe('Milliseconds that a batch may take.'),
          })
          .optional()
          .describe(
            'Requests whose trace is sampled become spans of OpenTelemetry, sent by OTLP over HTTP as JSON: one of the request, and one of each attempt. Absent: none.',
          ),
      })
      .optional()
      .describe(
        'W3C trace context: a `traceparent` that a client brings goes on, and without a valid one a trace begins. Absent: headers go through as they are.',
      ),
    explain: z
      .strictObject({
        sample: z
          .number()
          .min(0)
          .max(1)
          .default(0.001)
          .describe(
            'Part of the requests that are written down. A trusted proxy asks for one with the header `aries-explain: 1`.',
          ),
        keep: z
          .int()
          .min(1)
          .max(1_000)
          .default(100)
          .describe('The newest of each shard that are kept; at most so many begin in a second.'),
      })
      .optional()
      .describe(
        'Requests whose way is written down for `aries explain --requests`: route, candidates with their costs, attempts, times. Absent: none.',
      ),
    drainTimeoutMs: ms
      .default(3_000)
      .describe(
        'Milliseconds that requests in flight get at shutdown; together with the nodes it stays under 5 s.',
      ),
    handoverTimeoutMs: ms
      .default(60_000)
      .describe(
        'Milliseconds that the connections of a front get when a new process has taken its place: tunnels, raw connections and long answers go on for so long.',
      ),
    handoverSpreadMs: ms
      .default(10_000)
      .describe(
        'Milliseconds over which the WebSockets of workers are then closed with 1012, so that their clients do not come back all at once.',
      ),
  })
  .prefault({})
  .describe('Limits of the fronts: sizes in bytes, times in milliseconds.')

/** Name of the standard output among files. */
export const STDOUT = 'stdout'

export const accessLogSchema = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .describe(
        'Where it is written: a file, relative to this one, or `stdout`. A file that was moved away is made anew.',
      ),
    format: z
      .enum(['json', 'common'])
      .default('json')
      .describe('`json`: an object a line; `common`: the common log format of web servers.'),
    sample: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('Part of the requests that are logged; those that fail always are.'),
    query: z
      .boolean()
      .default(false)
      .describe('Whether paths are logged with their query, which may hold secrets.'),
  })
  .optional()
  .describe('A line for each HTTP request that the fronts have answered; absent: none.')
