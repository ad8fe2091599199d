/** The server of ports that members ask, byte by byte. */
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ERRORS } from '../../src/errors.ts'
import { Http1Server } from '../../src/http1/server.ts'
import type { ServerExchange } from '../../src/http1/server-exchange.ts'
import type { ServerLimits } from '../../src/http1/server-home.ts'
import { until } from '../helpers/until.ts'

const LIMITS: ServerLimits = {
  headBytesMax: 20_000,
  headBytesLimit: 'a limit of the test',
  fieldsMax: 120,
  headTimeoutMs: 60_000,
  bodyTimeoutMs: 60_000,
  idleTimeoutMs: 300_000,
}

interface Running {
  readonly server: Http1Server
  readonly port: number
  readonly over: { target: string; bytes: number }[]
}

type Handle = (http: ServerExchange) => void

async function start(
  t: Test,
  handle: Handle,
  limits: Partial<ServerLimits> = {},
): Promise<Running> {
  const over: Running['over'] = []
  const server = new Http1Server(
    {
      request: handle,
      over: (http, bytes) => over.push({ target: http.head.target, bytes }),
      upgrade: (head) => {
        if (head.upgrade !== 'echo') return 400
        return { protocol: 'echo', take: (socket) => void socket.pipe(socket) }
      },
      refuse: (http, { code }) => http.send(ERRORS[code].status, '', code),
    },
    { ...LIMITS, ...limits },
  )
  const port = await server.listen('127.0.0.1', 'a test')
  t.teardown(() => server.close())
  return { server, port, over }
}

/** A connection that keeps what it was told. */
class Wire {
  readonly socket: Socket
  text = ''
  closed = false

  constructor(t: Test, port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1')
    })
    this.socket.on('error', () => undefined)
    this.socket.on('end', () => this.socket.end())
    this.socket.once('close', () => {
      this.closed = true
    })
    t.teardown(() => this.socket.destroy())
  }

  say(text: string): void {
    this.socket.write(text, 'latin1')
  }

  async hears(what: string | RegExp): Promise<void> {
    await until(`hears ${what}`, () =>
      typeof what === 'string' ? this.text.includes(what) : what.test(this.text),
    )
  }

  async ends(): Promise<void> {
    await until('it is closed', () => this.closed)
  }
}

const get = (target: string, lines = ''): string =>
  `GET ${target} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`

/** Answers with target and body. */
const echo: Handle = (http) => {
  let body = ''
  http.receive({
    data: (piece) => {
      body += piece.toString()
    },
    end: () => http.send(200, '', `${http.head.target} ${body}.`),
    cut: () => undefined,
  })
}

t.test('pipelined requests, in pieces, are answered in their order', async (t) => {
  const waiting: ServerExchange[] = []
  const { port, over } = await start(t, (http) => waiting.push(http))
  const wire = new Wire(t, port)
  const text = `${get('/1')}\r\n${get('/2')}${get('/3')}`
  for (const piece of text.match(/[\s\S]{1,7}/g)!) wire.say(piece)
  for (const n of [1, 2, 3]) {
    await until('the next one is there', () => waiting.length === n)
    waiting[n - 1]!.send(200, 'x: y\r\n', `answer ${n}`)
    await wire.hears(`answer ${n}`)
  }
  t.match(
    wire.text,
    /^HTTP\/1\.1 200 OK\r\nx: y\r\ndate: [^\r]+\r\nkeep-alive: timeout=300\r\ncontent-length: 8\r\n\r\nanswer 1HTTP/,
  )
  t.same(
    over.map(({ target }) => target),
    ['/1', '/2', '/3'],
  )
  const bytes = over.reduce((sum, one) => sum + one.bytes, 0)
  t.equal(bytes, text.length + wire.text.length)
})

t.test('bodies: sized, chunked, asked for, and that nobody takes', async (t) => {
  const { port } = await start(t, (http) => {
    if (http.head.path === '/no') http.send(403, '', 'no.')
    else echo(http)
  })
  const wire = new Wire(t, port)
  const post = (target: string, rest: string): string =>
    `POST ${target} HTTP/1.1\r\nHost: a\r\n${rest}`
  wire.say(post('/sized', 'Content-Length: 3\r\n\r\nabc'))
  await wire.hears('/sized abc.')
  wire.say(post('/chunked', 'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n'))
  await wire.hears('/chunked abc.')
  wire.say(post('/asked', 'Content-Length: 1\r\nExpect: 100-continue\r\n\r\n'))
  await wire.hears('HTTP/1.1 100 Continue\r\n\r\n')
  wire.say('z')
  await wire.hears('/asked z.')
  wire.say(post('/no', 'Content-Length: 9\r\n\r\nGET /'))
  await wire.hears('no.')
  wire.say(` abc${get('/next')}`)
  await wire.hears('/next .')
  t.notMatch(wire.text, 'connection: close')
  wire.say(post('/no', 'Content-Length: 1\r\nExpect: 100-continue\r\n\r\n'))
  await wire.ends()
  t.match(wire.text, 'connection: close')
})

t.test('what is ambiguous is refused, and the connection ends', async (t) => {
  const { port, over } = await start(t, echo)
  const heads = [
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\nHost: a\n\n',
    'GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n',
    'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
    'GET  / HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/2.0\r\nHost: a\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    get('/', 'Content-Length: +1\r\n'),
    get('/', 'Content-Length: 1\r\nContent-Length: 1\r\n'),
    get('/', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
    get('/', 'Transfer-Encoding: gzip, chunked\r\n'),
    '\r\n\r\n',
    `${get('/', 'Transfer-Encoding: chunked\r\n')}0x1\r\n`,
    get('/', 'Connection: upgrade\r\nUpgrade: other\r\n'),
    get('/', 'Connection: upgrade\r\nUpgrade: echo\r\nContent-Length: 1\r\n'),
  ]
  for (const head of heads) {
    const wire = new Wire(t, port)
    wire.say(`${head}${get('/smuggled')}`)
    await wire.ends()
    t.match(wire.text, /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*connection: close\r\n/, head)
  }
  for (const [head, status] of [
    [get(`/${'x'.repeat(9_000)}`), 414],
    [get('/', 'a: b\r\n'.repeat(121)), 431],
    [`GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(30_000)}`, 431],
  ] as const) {
    const wire = new Wire(t, port)
    wire.say(head)
    await wire.ends()
    t.match(wire.text, `HTTP/1.1 ${status} `)
  }
  t.notOk(over.some(({ target }) => target === '/smuggled'))
})

t.test('HEAD, 204, HTTP/1.0', async (t) => {
  const { port } = await start(t, (http) => {
    if (http.head.path === '/204') http.send(204, '')
    else if (http.head.path === '/long') http.send(200, '', '', 77)
    else http.send(200, 'date: mine\r\n', 'whole')
  })
  const wire = new Wire(t, port)
  wire.say('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.hears('content-length: 5\r\n\r\n')
  t.match(wire.text, /^HTTP\/1\.1 200 OK\r\ndate: mine\r\nkeep-alive/)
  wire.say('HEAD /long HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.hears(/content-length: 77\r\n\r\n$/)
  wire.say(get('/204'))
  await wire.hears(/204 No Content\r\ndate[^\r]+\r\nkeep-alive: timeout=300\r\n\r\n$/)
  wire.say('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  await wire.hears(/connection: keep-alive\r\ncontent-length: 5\r\n\r\nwhole$/)
  wire.say('GET / HTTP/1.0\r\n\r\n')
  await wire.ends()
  t.match(wire.text, /connection: close\r\ncontent-length: 5\r\n\r\nwhole$/)
})

t.test('answers in pieces: framing, pauses, and a promise that is not kept', async (t) => {
  const { port } = await start(t, (http) => {
    const { path } = http.head
    http.begin(200, '', path === '/chunks' ? undefined : 4)
    http.write(Buffer.from('ab'))
    if (path === '/more') http.write(Buffer.from('cde'))
    if (path === '/right') http.write(Buffer.from('cd'))
    http.end()
  })
  const wire = new Wire(t, port)
  wire.say(get('/chunks'))
  await wire.hears(/transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n$/)
  wire.say('GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  await wire.ends()
  t.match(wire.text, /connection: close\r\n\r\nab$/)
  const right = new Wire(t, port)
  right.say(`${get('/right')}${get('/right')}`)
  await right.hears(/abcdHTTP[\s\S]*abcd$/)
  for (const target of ['/more', '/less']) {
    const broken = new Wire(t, port)
    broken.say(get(target))
    await broken.ends()
    t.notMatch(broken.text, 'cde')
  }
})

t.test('a peer that does not read, reads again, and goes', async (t) => {
  let http: ServerExchange | undefined
  let drained = 0
  let gone = 0
  const { port, over } = await start(t, (one) => {
    http = one
    one.onDrain = () => drained++
    one.onGone = () => gone++
    one.begin(200, '')
    while (one.write(Buffer.alloc(100_000))) {}
  })
  const wire = new Wire(t, port)
  wire.socket.pause()
  wire.say(get('/'))
  await until('it is asked', () => http !== undefined)
  wire.socket.resume()
  await until('it drained', () => drained > 0)
  t.equal(gone, 0)
  wire.socket.destroy()
  await until('it is gone', () => gone === 1)
  t.equal(http?.over, true)
  t.equal(over.length, 1)
})

t.test('who ends his side while he waits has gone', async (t) => {
  const asked: ServerExchange[] = []
  let cut = 0
  const { port, over } = await start(t, (http) => {
    asked.push(http)
    http.receive({ data: () => undefined, end: () => undefined, cut: () => cut++ })
  })
  for (const text of [get('/'), get('/', 'Content-Length: 9\r\n')]) {
    const wire = new Wire(t, port)
    wire.socket.end(text)
    await wire.ends()
    t.equal(wire.text, '')
  }
  await until('both are over', () => over.length === 2)
  t.equal(cut, 1)
  asked[0]!.send(200, '', 'too late')
})

t.test('an upgrade gets what came with it', async (t) => {
  const { port, over } = await start(t, echo)
  const wire = new Wire(t, port)
  wire.say(`${get('/first')}${get('/', 'Connection: Upgrade\r\nUpgrade: echo\r\n')}abc`)
  await wire.hears(/\/first \.HTTP\/1\.1 101 [\s\S]*Upgrade: echo\r\n\r\nabc$/)
  wire.say('def')
  await wire.hears(/abcdef$/)
  t.equal(over.length, 1)
})

t.test('what is slow is cut off', async (t) => {
  const { port } = await start(t, echo, { headTimeoutMs: 1, bodyTimeoutMs: 1 })
  const wires = ['GET / HT', get('/', 'Content-Length: 9\r\n')].map((text) => {
    const wire = new Wire(t, port)
    wire.say(text)
    return wire
  })
  await Promise.all(wires.map((wire) => wire.ends()))
})

t.test('a server that closes lets what runs come to its end', async (t) => {
  let http: ServerExchange | undefined
  const { server, port } = await start(t, (one) => {
    http = one
  })
  const idle = new Wire(t, port)
  const busy = new Wire(t, port)
  busy.say(get('/'))
  await until('it runs', () => http !== undefined)
  const closed = server.close()
  await idle.ends()
  http!.send(200, '', 'done')
  await busy.ends()
  t.match(busy.text, /connection: close\r\n[\s\S]*done$/)
  await closed
})
