/**
 * Requests as spans in the JSON encoding of OTLP (opentelemetry-proto 1.x), named as the semantic
 * conventions for HTTP have it. Pure.
 */
import type { AttemptDetail, RequestDetail } from './request-detail.ts'

const SERVER = 2
const CLIENT = 3
const ERROR = 2
/** Of the trace: it is sampled. */
const FLAGS_SAMPLED = 1

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue: string } | { readonly intValue: string }
}

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly flags: number
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  readonly events: readonly { readonly timeUnixNano: string; readonly name: string }[]
  readonly status?: { readonly code: number; readonly message?: string }
}

/** The body of an `ExportTraceServiceRequest`. `front`: id of the front. */
export function exportBody(
  requests: readonly RequestDetail[],
  { front, version }: { readonly front: string; readonly version: string },
): string {
  const resource = {
    attributes: attributes({
      'service.name': 'aries',
      'service.instance.id': front,
      'service.version': version,
    }),
  }
  const scopeSpans = [{ scope: { name: 'aries', version }, spans: requests.flatMap(spansOf) }]
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] })
}

/** A span of the server for the request, and below it one of the client for each attempt. */
export function spansOf(request: RequestDetail): Span[] {
  const { traceId, spanId } = request
  if (traceId === undefined || spanId === undefined) return []
  return [
    serverSpan(request, traceId, spanId),
    ...request.attempts.flatMap((attempt, i) => clientSpan(request, attempt, i) ?? []),
  ]
}

function serverSpan(request: RequestDetail, traceId: string, spanId: string): Span {
  const { method, route, status, error, parentId, atMs, ms } = request
  const failed = status === 0 || status >= 500
  return {
    traceId,
    spanId,
    ...(parentId !== undefined && { parentSpanId: parentId }),
    flags: FLAGS_SAMPLED,
    name: route === undefined ? method : `${method} ${route}`,
    kind: SERVER,
    startTimeUnixNano: nanos(atMs),
    endTimeUnixNano: nanos(atMs + ms),
    attributes: attributes({
      'http.request.method': method,
      'url.path': request.path,
      'url.scheme': request.scheme,
      'http.route': route,
      'network.protocol.version': request.http === '2.0' ? '2' : request.http,
      'client.address': request.remote,
      'http.response.status_code': status === 0 ? undefined : status,
      'http.request.body.size': request.bytesIn,
      'http.response.body.size': request.bytesOut,
      'error.type': failed ? (error ?? (status === 0 ? 'aborted' : String(status))) : undefined,
      'aries.request_id': request.id,
    }),
    events: [],
    ...(failed && { status: { code: ERROR } }),
  }
}

function clientSpan(
  { method, traceId, spanId: parentSpanId, atMs, ms }: RequestDetail,
  attempt: AttemptDetail,
  index: number,
): Span | undefined {
  const { spanId, target, address, chosenMs, endMs, status, failure, waitedMs } = attempt
  if (spanId === undefined) return undefined
  const failed = failure !== undefined || (status ?? 0) >= 400
  return {
    traceId: traceId!,
    spanId,
    parentSpanId: parentSpanId!,
    flags: FLAGS_SAMPLED,
    name: method,
    kind: CLIENT,
    startTimeUnixNano: nanos(atMs + chosenMs),
    endTimeUnixNano: nanos(atMs + (endMs ?? ms)),
    attributes: attributes({
      'http.request.method': method,
      'server.address': address.host,
      'server.port': address.port,
      'http.response.status_code': status,
      'http.request.resend_count': index === 0 ? undefined : index,
      'error.type': failed ? (status === undefined ? 'no_answer' : String(status)) : undefined,
      'aries.target': target,
      'aries.attempt': attempt.why,
      'aries.waited_ms': waitedMs === undefined ? undefined : Math.round(waitedMs),
    }),
    events: eventsOf(attempt, atMs),
    ...(failed && {
      status: { code: ERROR, ...(failure !== undefined && { message: failure }) },
    }),
  }
}

function eventsOf({ connectedMs, sentMs, headMs }: AttemptDetail, atMs: number): Span['events'] {
  return Object.entries({ connected: connectedMs, sent: sentMs, head: headMs }).flatMap(
    ([name, ms]) => (ms === undefined ? [] : [{ timeUnixNano: nanos(atMs + ms), name }]),
  )
}

function attributes(values: Readonly<Record<string, string | number | undefined>>): Attribute[] {
  return Object.entries(values).flatMap(([key, value]): Attribute[] => {
    if (value === undefined) return []
    return typeof value === 'number'
      ? [{ key, value: { intValue: String(value) } }]
      : [{ key, value: { stringValue: value } }]
  })
}

/** Nanoseconds since 1970 do not fit into a number; microseconds do. */
function nanos(ms: number): string {
  return `${Math.round(ms * 1_000)}000`
}
