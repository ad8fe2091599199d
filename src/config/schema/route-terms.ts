/** What a route that forwards may have of its own: limits, retries, edits of heads. */
import { z } from 'zod'
import { fieldName, fieldTemplate, ms } from './values.ts'

export const limitsSchema = z
  .strictObject({
    headBytesMax: z
      .int()
      .min(64)
      .max(1_048_576)
      .optional()
      .describe('Largest request head, bytes; only below `front.headBytesMax`.'),
    uriBytesMax: z
      .int()
      .min(1)
      .max(8_192)
      .optional()
      .describe('Longest path and query, bytes; default 8192.'),
    bodyBytesMax: z
      .int()
      .min(0)
      .optional()
      .describe('Largest request body, bytes; default `front.bodyBytesMax`.'),
    bodyIdleTimeoutMs: ms.optional().describe('Instead of `front.bodyIdleTimeoutMs`.'),
    connectTimeoutMs: ms.optional().describe('Instead of `front.connectTimeoutMs`.'),
    responseTimeoutMs: ms.optional().describe('Instead of `front.responseTimeoutMs`.'),
    requestTimeoutMs: ms.optional().describe('Instead of `front.requestTimeoutMs`.'),
    tunnelIdleTimeoutMs: ms.optional().describe('Instead of `front.tunnelIdleTimeoutMs`.'),
  })
  .describe('Limits of its own.')

export const queueSchema = z
  .strictObject({
    max: z.int().min(0).optional().describe('Instead of `balance.queueMax`.'),
    timeoutMs: ms.optional().describe('Instead of `balance.queueTimeoutMs`.'),
  })
  .describe('The line of requests that wait while every upstream is full.')

export const retrySchema = z
  .strictObject({
    attemptsMax: z
      .int()
      .min(1)
      .max(32)
      .default(32)
      .describe('Attempts for one request, the first included; 1: it is never sent again.'),
    statuses: z
      .array(z.int().min(500).max(599))
      .max(100)
      .default([502, 503, 504])
      .describe('Answers to requests that are safe to repeat that are tried once elsewhere.'),
  })
  .describe(
    'When a request is sent again; always to another upstream, only when that is safe, and within the budget (`balance.retryRatio`).',
  )

export const mirrorSchema = z
  .strictObject({
    upstreams: z
      .array(z.string().describe('`http://host:port`.'))
      .min(1)
      .max(64)
      .describe('The servers that get the copies, in turn. Nobody checks them.'),
    part: z.number().min(0).max(1).default(1).describe('Part of the requests that is copied.'),
    inFlightMax: z
      .int()
      .min(1)
      .max(10_000)
      .default(100)
      .describe('Copies of one shard under way at once; more are dropped.'),
  })
  .describe(
    'Sends a copy of each request elsewhere and drops the answer: to try a new version with real traffic. Not of upgrades, and not of bodies larger than `front.replayBytesMax`.',
  )

export const hedgeSchema = z
  .strictObject({
    afterMs: ms
      .optional()
      .describe('Milliseconds after which an answer is late; absent: by `quantile`.'),
    quantile: z
      .number()
      .min(0.5)
      .max(0.999)
      .default(0.95)
      .describe('An answer is late when this part of the latest ones had come by then.'),
  })
  .describe(
    'A GET or HEAD without a body whose answer is late is sent to a second upstream, too; the first answer wins. Within the budget of retries (`balance.retryRatio`).',
  )

/** Headers that frame a message or belong to the connection: they are the front's to write. */
export const OWN_HEADERS =
  /^(connection|content-length|transfer-encoding|keep-alive|upgrade|trailer|te|aries-.*)$/i
/** Of requests also the host (`upstreamHost`) and what is told of the client (`front.trustedProxies`). */
const OWN_OF_REQUESTS =
  /^(host|expect|max-forwards|via|proxy-.*|forwarded|x-forwarded-(for|host|proto))$/i

function headEdit(isOwn: (name: string) => boolean) {
  const name = fieldName.refine((text) => !isOwn(text), 'is for the front to write')
  const lines = (what: string) =>
    z
      .record(name, fieldTemplate)
      .optional()
      .describe(
        `${what} Values may have \`{client}\`, \`{scheme}\`, \`{host}\`, \`{method}\`, \`{path}\`, \`{query}\`, \`{header:<name>}\` and \`{cookie:<name>}\` of the request; \`{{\` is a brace.`,
      )
  return z.strictObject({
    set: lines('Headers that it gets instead of those of the same name.'),
    add: lines('Headers that it gets beside those of the same name.'),
    remove: z
      .array(name)
      .max(100)
      .optional()
      .describe('Headers that it loses, before it gets others.'),
  })
}

export const requestEditSchema = headEdit(
  (name) => OWN_HEADERS.test(name) || OWN_OF_REQUESTS.test(name),
)
export const responseEditSchema = headEdit((name) => OWN_HEADERS.test(name))
