import t from 'tap'
import { request } from 'undici'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, type StubServer, serve, type Teardown, testConfig } from './stubs.ts'

const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly {
    key: string
    value: { stringValue?: string; intValue?: string }
  }[]
  readonly status?: { code: number }
}

/** A collector of OpenTelemetry that answers with the status that it is told. */
async function collector(t: Teardown, port = 0) {
  const spans: Span[] = []
  const posts: { authorization: string | undefined; resource: unknown }[] = []
  const state = { status: 200 }
  const server = await serve(
    t,
    async (req, res) => {
      let text = ''
      for await (const chunk of req) text += String(chunk)
      if (state.status === 200) {
        const [{ resource, scopeSpans }] = JSON.parse(text).resourceSpans
        posts.push({ authorization: req.headers.authorization, resource })
        spans.push(...scopeSpans[0].spans)
      }
      res.writeHead(state.status, { 'content-type': 'application/json' }).end('{}')
    },
    port,
  )
  return { url: `${urlOf(server)}/v1/traces`, spans, posts, state, server }
}

function attributeOf({ attributes }: Span, name: string): string | undefined {
  const value = attributes.find(({ key }) => key === name)?.value
  return value?.stringValue ?? value?.intValue
}

t.test('a sampled request becomes a span, and each attempt one below it', async (t) => {
  const seen: (string | undefined)[] = []
  const good = await serve(t, (req, res) => {
    if (req.url === '/a') seen.push(req.headers.traceparent as string)
    if (req.url === '/ill') res.writeHead(500)
    res.end('good')
  })
  const bad = await serve(t, (req, res) => {
    if (req.headers['user-agent'] === 'aries-health') res.end()
    else req.socket.destroy()
  })
  const { url: to, spans, posts } = await collector(t)
  const config = testConfig({
    routes: [
      { path: '/a', upstreams: [urlOf(bad), { url: urlOf(good), priority: 1 }] },
      { path: '/ill', upstreams: [urlOf(good)] },
    ],
    outliers: { consecutive5xx: 0, consecutiveGateway: 0 },
    front: { trace: { sample: 0, export: { url: to, headers: { authorization: 'Bearer x' } } } },
  })
  const { url, front } = await startFront(t, new StubMembership(), config)
  const ask = async (path: string, traceparent?: string): Promise<void> => {
    const headers = traceparent === undefined ? {} : { traceparent }
    await (await request(`${url}${path}`, { headers })).body.dump()
  }
  await ask('/a', `00-${TRACE}-${PARENT}-01`)
  await until('the spans are there', () => spans.length === 3)
  const [server, first, second] = spans as [Span, Span, Span]
  t.match(server, { traceId: TRACE, parentSpanId: PARENT, name: 'GET /a', kind: 2 })
  t.equal(server.status, undefined)
  t.equal(attributeOf(server, 'http.route'), '/a')
  t.equal(attributeOf(server, 'http.response.status_code'), '200')
  t.equal(attributeOf(server, 'client.address'), '127.0.0.1')
  t.match(first, { traceId: TRACE, parentSpanId: server.spanId, kind: 3, status: { code: 2 } })
  t.equal(attributeOf(first, 'server.port'), String(bad.port))
  t.equal(attributeOf(first, 'error.type'), 'no_answer')
  t.match(second, { traceId: TRACE, parentSpanId: server.spanId, kind: 3 })
  t.equal(attributeOf(second, 'http.request.resend_count'), '1')
  t.equal(attributeOf(second, 'aries.target'), urlOf(good))
  t.same(seen, [`00-${TRACE}-${second.spanId}-01`], 'the target is below its attempt')
  for (const { startTimeUnixNano, endTimeUnixNano } of spans) {
    t.match(startTimeUnixNano, /^\d{19}$/)
    t.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano))
  }
  t.ok(BigInt(second.endTimeUnixNano) <= BigInt(server.endTimeUnixNano))
  t.equal(posts[0]!.authorization, 'Bearer x')
  t.match(posts[0]!.resource, {
    attributes: [
      { key: 'service.name', value: { stringValue: 'aries' } },
      { key: 'service.instance.id' },
    ],
  })

  await ask('/a', `00-${TRACE}-${PARENT}-00`)
  await ask('/a')
  await ask('/ill', `00-${TRACE}-${PARENT}-03`)
  await until('the spans of the last are there', () => spans.length > 3)
  t.equal(spans.length, 5, 'what is not sampled has none')
  t.equal(seen[1], `00-${TRACE}-${PARENT}-00`, 'and goes on as it came')
  t.match(spans[3], { name: 'GET /ill', status: { code: 2 } })
  t.equal(attributeOf(spans[3]!, 'error.type'), '500')
  t.same(front.spans.counts, { exported: 2, dropped: 0 })
})

t.test('a collector that is gone costs spans and nothing else', async (t) => {
  const origin = await serve(t, (_req, res) => res.end('good'))
  const first = await collector(t)
  const exported = { url: first.url, queueMax: 2, batchMax: 1, timeoutMs: 2_000 }
  const config = testConfig({
    routes: [{ path: '/*', upstreams: [urlOf(origin)] }],
    front: { trace: { sample: 1, export: exported } },
  })
  const { url, front } = await startFront(t, new StubMembership(), config)
  const { counts } = front.spans
  const ask = async (): Promise<void> => {
    t.equal(await (await request(`${url}/`)).body.text(), 'good')
  }
  first.state.status = 400
  await ask()
  await until('what it refuses is lost', () => counts.dropped === 1)
  await first.server.kill()
  for (let i = 0; i < 5; i++) await ask()
  await until('two wait, the others are lost', () => counts.dropped === 4)
  const again = await collector(t, first.server.port)
  await until('what has waited is exported', () => counts.exported === 2)
  t.equal(again.spans.length, 4)
  await ask()
  await until('and what comes', () => counts.exported === 3)

  await front.setConfig({ ...config, front: { ...config.front, trace: { sample: 1 } } })
  await request(`${url}/`, { headers: { connection: 'close' } }).then(({ body }) => body.dump())
  await ask()
  await front.setConfig(config)
  // Limits are a connection's for life.
  await request(`${url}/`, { headers: { connection: 'close' } }).then(({ body }) => body.dump())
  await ask()
  await until('it is on again', () => counts.exported > 3)
  t.equal(counts.dropped, 4)
})
