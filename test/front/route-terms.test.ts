import { once } from 'node:events'
import { connect } from 'node:http2'
import t from 'tap'
import { request } from 'undici'
import { until } from '../helpers/until.ts'
import { KeptConnection, startFront } from './start.ts'
import { StubMembership, type StubServer, serve, type Teardown, testConfig } from './stubs.ts'

const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`

/** Answers with what it was asked, as JSON. */
function mirror(t: Teardown): Promise<StubServer> {
  return serve(t, (req, res) => {
    let body = ''
    req.on('data', (chunk) => {
      body += String(chunk)
    })
    req.on('end', () => {
      res.setHeader('X-Inner', 'secret')
      res.setHeader('Server', 'inner/1.0')
      const { method, url, headers, rawHeaders } = req
      res.end(JSON.stringify({ method, url, headers, raw: rawHeaders, body }))
    })
  })
}

async function started(t: Teardown, routes: object[], front: object = {}) {
  return startFront(t, new StubMembership(), testConfig({ routes, front }))
}

t.test('a path is rewritten, with what its pattern took, and the query goes along', async (t) => {
  const upstreams = [urlOf(await mirror(t))]
  const { url } = await started(t, [
    { path: '/api/*', upstreams, rewrite: '/*' },
    { path: '/users/:id/posts/:post', upstreams, rewrite: '/v2/posts/:post/of/:id' },
    { path: '/*', upstreams, forwarder: 'http-proxy', rewrite: '/proxied/*' },
  ])
  const asked = async (path: string) =>
    ((await (await request(url + path)).body.json()) as { url: string }).url
  t.equal(await asked('/api/a/b?c=d'), '/a/b?c=d')
  t.equal(await asked('/api/'), '/')
  t.equal(await asked('/api//evil.example/x'), '/evil.example/x')
  t.equal(await asked('/users/7/posts/a%2Fb?x'), '/v2/posts/a%2Fb/of/7?x')
  t.equal(await asked('/else'), '/proxied/else')
})

t.test('heads are edited both ways, whatever the client says', async (t) => {
  const upstreams = [urlOf(await mirror(t))]
  const { url } = await started(t, [
    {
      path: '/*',
      upstreams,
      upstreamHost: 'inner.example',
      requestHeaders: {
        remove: ['X-Debug'],
        set: { 'X-User': '{cookie:user}', 'X-From': '{client} {{{scheme}' },
        add: { 'X-Was': '{method} {path} {query} {host} {header:x-debug}' },
      },
      responseHeaders: {
        remove: ['x-inner'],
        set: { Server: 'front' },
        add: { 'X-Path': '{path}' },
      },
    },
  ])
  const answer = await request(`${url}/a?b=c`, {
    headers: {
      host: 'outer.example',
      'x-debug': 'yes',
      'x-user': 'forged',
      cookie: 'user=ann',
    },
  })
  const seen = (await answer.body.json()) as { headers: Record<string, string>; raw: string[] }
  t.match(seen.headers, {
    host: 'inner.example',
    'x-forwarded-host': 'outer.example',
    'x-user': 'ann',
    'x-from': '127.0.0.1 {http',
    'x-was': 'GET /a b=c outer.example yes',
  })
  t.notOk('x-debug' in seen.headers)
  t.equal(seen.raw.filter((name) => /^x-user$/i.test(name)).length, 1)
  t.match(answer.headers, { server: 'front', 'x-path': '/a' })
  t.notOk('x-inner' in answer.headers)
  const client = new KeptConnection(t, Number(new URL(url).port))
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: X-User, X-From\r\nX-User: a\r\n\r\n')
  const { body } = await client.answer()
  t.match(body, /"x-from":"127.0.0.1 \{http"/, 'what Connection names is not what the front adds')
})

t.test('the upstream gets its own address as the host', async (t) => {
  const server = await mirror(t)
  const { url } = await started(t, [
    { path: '/*', upstreams: [urlOf(server)], upstreamHost: 'upstream' },
  ])
  const answer = await request(`${url}/`, { headers: { host: 'outer.example' } })
  t.match(await answer.body.json(), { headers: { host: `127.0.0.1:${server.port}` } })
})

t.test('a route has its own limits of head, target and body, higher or lower', async (t) => {
  const upstreams = [urlOf(await mirror(t))]
  const { url } = await started(
    t,
    [
      { path: '/large', upstreams, limits: { bodyBytesMax: 2_000 } },
      {
        path: '/small',
        upstreams,
        limits: { bodyBytesMax: 5, headBytesMax: 300, uriBytesMax: 20 },
      },
      { path: '/*', upstreams },
    ],
    { bodyBytesMax: 1_000 },
  )
  const post = async (path: string, bytes: number, headers = {}) => {
    const answer = await request(url + path, { method: 'POST', body: 'x'.repeat(bytes), headers })
    const text = await answer.body.text()
    return `${answer.statusCode} ${/"message":"([^"]*)"/.exec(text)?.[1] ?? ''}`
  }
  t.match(await post('/large', 2_000), /^200/)
  t.match(await post('/large', 2_001), /^413 .*limits\.bodyBytesMax of the route/)
  t.match(await post('/small', 6), /^413 .*limits\.bodyBytesMax of the route/)
  t.match(await post('/small', 5), /^200/)
  t.match(await post('/x', 1_001), /^413 .*front\.bodyBytesMax/)
  t.match(await post('/small?0123456789abcdef', 1), /^414 .*limits\.uriBytesMax/)
  t.match(await post('/small', 1, { 'x-long': 'y'.repeat(300) }), /^431 .*limits\.headBytesMax/)
})

t.test('a route has its own times, and one for the whole request', async (t) => {
  const slow = await serve(t, (req, res) => {
    if (req.url === '/drip') {
      res.write('a')
      const timer = setInterval(() => res.write('a'), 50)
      res.on('close', () => clearInterval(timer))
    }
  })
  const upstreams = [urlOf(slow)]
  const health = { kind: 'tcp' }
  const { url } = await started(t, [
    { path: '/silent', upstreams, health, limits: { responseTimeoutMs: 50 } },
    { path: '/*', upstreams, health, limits: { requestTimeoutMs: 300 } },
  ])
  const silent = await request(`${url}/silent`)
  t.equal(silent.statusCode, 504)
  t.match(await silent.body.json(), {
    error: { message: /limits\.responseTimeoutMs of the route \(50 ms\)/ },
  })
  const whole = await request(`${url}/whole`)
  t.equal(whole.statusCode, 504)
  t.match(await whole.body.json(), { error: { message: /limits\.requestTimeoutMs of the route/ } })
  const drip = await request(`${url}/drip`)
  t.equal(drip.statusCode, 200)
  await t.rejects(drip.body.text(), 'it is cut, visibly')
})

t.test('a route says how often, and after which answers, a request is sent again', async (t) => {
  let asked = 0
  const bad = (status: number) =>
    serve(t, (req, res) => {
      if (req.url !== '/') asked += 1
      res.writeHead(req.url === '/' ? 200 : status).end()
    })
  const upstreams = [urlOf(await bad(500)), urlOf(await bad(500)), urlOf(await bad(500))]
  const { url } = await started(t, [
    { path: '/once', upstreams },
    { path: '/twice', upstreams, retry: { statuses: [500] } },
    { path: '/never', upstreams, retry: { statuses: [500], attemptsMax: 1 } },
  ])
  for (const [path, times] of [
    ['/once', 1],
    ['/twice', 2],
    ['/never', 1],
  ] as const) {
    asked = 0
    t.equal((await request(url + path)).statusCode, 500)
    await until('it was asked so often', () => asked === times)
  }
})

t.test('all of it over HTTP/2', async (t) => {
  const config = testConfig({
    listeners: [{ http: '127.0.0.1:0', http2: true }],
    routes: [
      {
        path: '/api/*',
        upstreams: [urlOf(await mirror(t))],
        rewrite: '/*',
        upstreamHost: 'inner.example',
        sticky: { cookie: 'srv' },
        requestHeaders: { set: { 'X-User': '{cookie:user}' }, remove: ['x-debug'] },
        responseHeaders: { set: { Server: 'front' }, remove: ['X-Inner'] },
        rateLimits: [{ requests: 1, windowMs: 60_000 }],
      },
    ],
  })
  const { port } = await startFront(t, new StubMembership(), config)
  const session = connect(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())
  const ask = async () => {
    const stream = session.request({
      ':path': '/api/a?b',
      'x-debug': 'yes',
      'x-user': 'forged',
      cookie: 'user=ann',
    })
    const [headers] = await once(stream, 'response')
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    return { headers: headers as Record<string, unknown>, text }
  }
  const { headers, text } = await ask()
  const seen = JSON.parse(text) as { url: string; headers: Record<string, string> }
  t.equal(seen.url, '/a?b')
  t.match(seen.headers, { host: 'inner.example', 'x-user': 'ann' })
  t.notOk('x-debug' in seen.headers)
  t.match(headers, { ':status': 200, server: 'front', 'set-cookie': [/^srv=/] })
  t.notOk('x-inner' in headers)
  t.match((await ask()).headers, { ':status': 429, 'retry-after': /^\d+$/ })
})
