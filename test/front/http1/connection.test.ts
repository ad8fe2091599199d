import t from 'tap'
import { until } from '../../helpers/until.ts'
import {
  ask,
  dial,
  ListPicker,
  rawOrigin,
  reply,
  startFront,
  startFrontTo,
  targetAt,
} from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

t.test('pipelined requests are answered in order, one at a time', async (t) => {
  let active = 0
  let activeMax = 0
  const origin = await rawOrigin(t, (connection) => {
    activeMax = Math.max(activeMax, ++active)
    const path = /GET (\S+) HTTP[\s\S]*?$/.exec(connection.text)![1]!
    connection.text = ''
    setTimeout(() => {
      active--
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
    }, path.length % 3)
  })
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  const paths = Array.from({ length: 50 }, (_, i) => `/${'x'.repeat(i)}`)
  client.write(paths.map(get).join(''))
  await until('50 answers', () => front.records.length === 50)
  await client.has(paths[49]!)
  t.same(
    client.text.match(/\r\n\r\n\/x*/g)?.map((match) => match.slice(4)),
    paths,
  )
  t.equal(activeMax, 1)
  t.equal(origin.connections.length, 1, 'one kept connection')
})

t.test('a flood of pipelined requests is held back', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  const flood = Buffer.from(get('/').repeat(10_000))
  for (let i = 0; i < 40; i++) client.socket.write(flood)
  await until('pause', () => front.sockets[0]!.isPaused())
  t.ok(front.engine.stats().bytesIn < 300_000, `${front.engine.stats().bytesIn} bytes read`)
  t.equal(front.engine.stats().requests, 1)
})

t.test('replies of the planner: order, backpressure, HEAD, close', async (t) => {
  const front = await startFront(t, (head) => reply(head.path))
  const client = await dial(t, front.port)
  client.write(get('/1') + get('/2') + get('/3').replace('GET', 'HEAD') + get('/4'))
  await client.has('/4')
  t.match(
    client.text,
    /^[\s\S]*\r\n\r\n\/1HTTP[\s\S]*\r\n\r\n\/2HTTP[\s\S]*Length: 2\r\n\r\nHTTP[\s\S]*\r\n\r\n\/4$/,
  )
  const posted = 'POST /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'
  client.write(posted + posted)
  await until('6 answers', () => front.records.length === 6)
  t.notMatch(client.text, /Connection: close/, 'a body that is here is dropped')
  client.write('POST /6 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na')
  await client.gone()
  t.match(client.text, /Connection: close\r\n\r\n\/6$/, 'a body that is not closes')
})

t.test('a reply whose header breaks out of its line is a 500', async (t) => {
  const front = await startFront(t, () => ({
    kind: 'reply',
    status: 200,
    headers: [['X', 'y\r\nSet-Cookie: evil']],
    body: '',
  }))
  t.match(
    await ask(t, front.port, `${get('/').slice(0, -2)}Connection: close\r\n\r\n`),
    /^HTTP\/1\.1 500 /,
  )
})

t.test('a planner that throws is a 500 with a code, and the engine lives', async (t) => {
  const front = await startFront(t, () => {
    throw new Error('secret')
  })
  const client = await dial(t, front.port)
  client.write(get('/1'))
  await client.has('ARIES_E_INTERNAL')
  t.notMatch(client.text, /secret/)
  client.write(get('/2'))
  await until('second answer', () => front.records.length === 2)
})

t.test('a client that ends its side after the request gets the answer', async (t) => {
  const origin = await rawOrigin(t, (connection) => void setTimeout(() => connection.write(OK), 20))
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port, true)
  client.socket.end(get('/1') + get('/2'))
  await client.gone()
  t.equal(client.text.split('\r\n\r\nok').length, 3)
})

t.test('a client that leaves: its request is taken back', async (t) => {
  for (const how of ['reset while waiting', 'end in the body'] as const) {
    const origin = await rawOrigin(t, () => {})
    const picker = new ListPicker([targetAt(origin.port)])
    const front = await startFront(t, () => ({ kind: 'forward', picker }))
    const client = await dial(t, front.port)
    if (how === 'end in the body') {
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc')
    } else client.write(get('/'))
    await until('the request at the origin', () => origin.requests() === 1)
    if (how === 'end in the body') client.socket.end()
    else client.socket.resetAndDestroy()
    await origin.connections[0]!.gone()
    t.match(front.records, [{ status: 499 }], how)
    t.equal(picker.done_, 1, how)
    t.equal(front.engine.stats().exchangesActive, 0)
  }
})

t.test('a client that leaves while a target is looked for', async (t) => {
  let found: () => void = () => {}
  const origin = await rawOrigin(t, () => {})
  const target = targetAt(origin.port)
  const picker = Object.assign(new ListPicker([]), {
    pick: () =>
      new Promise<typeof target>((resolve) => {
        found = () => resolve(target)
      }),
  })
  const front = await startFront(t, () => ({ kind: 'forward', picker }))
  const client = await dial(t, front.port)
  client.write(get('/'))
  await until('pick', () => front.heads.length === 1)
  client.socket.resetAndDestroy()
  await until('done', () => picker.done_ === 1)
  found()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(origin.connections.length, 0)
  t.equal(picker.done_, 1)
})

t.test('time limits', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const quick = {
    idleTimeoutMs: 100,
    headTimeoutMs: 100,
    bodyIdleTimeoutMs: 100,
    responseTimeoutMs: 100,
  }
  const front = await startFrontTo(t, targetAt(origin.port), quick)
  t.equal(await ask(t, front.port, ''), '', 'idle: closed without a word')
  t.match(await ask(t, front.port, 'GET / HT'), /^HTTP\/1\.1 408 [\s\S]*headTimeoutMs/)
  t.match(
    await ask(t, front.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc'),
    /^HTTP\/1\.1 408 [\s\S]*bodyIdleTimeoutMs/,
  )
  const client = await dial(t, front.port)
  client.write(get('/'))
  await client.has('responseTimeoutMs')
  t.match(client.text, /^HTTP\/1\.1 504 /)
  await client.gone()
})

t.test('more connections than the limit are refused', async (t) => {
  const front = await startFront(t, () => reply('x'), { connectionsMax: 1 })
  const first = await dial(t, front.port)
  first.write(get('/'))
  await first.has('x')
  t.match(
    await ask(t, front.port, ''),
    /^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n[\s\S]*ARIES_E_OVERLOADED/,
  )
  first.socket.destroy()
  await until('room', () => front.engine.stats().connectionsOpen === 0)
  const second = await dial(t, front.port)
  second.write(get('/'))
  await second.has('x')
})

t.test(
  'close: idle ones at once, running ones after their answer, the rest after the grace',
  async (t) => {
    const origin = await rawOrigin(t, (connection) => {
      if (connection.text.includes('/quick')) setTimeout(() => connection.write(OK), 50)
    })
    const front = await startFrontTo(t, targetAt(origin.port))
    const idle = await dial(t, front.port)
    const quick = await dial(t, front.port)
    const slow = await dial(t, front.port)
    quick.write(get('/quick'))
    slow.write(get('/slow'))
    await until('both at the origin', () => origin.requests() === 2)
    const closed = front.engine.close(300)
    await idle.gone()
    await quick.gone()
    t.match(quick.text, /Connection: close\r\n\r\nok$/)
    t.notOk(slow.ended || slow.closed)
    await closed
    await slow.gone()
    t.equal(slow.text, '')
    t.match(front.engine.stats(), { connectionsOpen: 0, exchangesActive: 0 })
    for (const connection of origin.connections) await connection.gone()
  },
)

t.test('the counters add up', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.write(get('/1') + get('/2'))
  await until('2 answers', () => front.records.length === 2)
  client.write('nonsense\r\n\r\n')
  await client.gone()
  t.match(front.engine.stats(), {
    requests: 3,
    byStatusClass: [0, 0, 2, 0, 1, 0],
    bytesIn: Buffer.byteLength(`${get('/1')}${get('/2')}nonsense\r\n\r\n`),
    bytesOut: client.bytes,
    attempts: 2,
    retries: 0,
    connectionsTotal: 1,
    exchangesActive: 0,
    upstreamConnectionsOpen: 1,
    errors: { ARIES_E_BAD_REQUEST: 1 },
  })
  t.match(front.records[0], {
    method: 'GET',
    target: '/1',
    remoteAddress: '127.0.0.1',
    status: 200,
    targetId: `target-${origin.port}`,
    attempts: 1,
    bytesIn: 0,
    bytesOut: 2,
    error: undefined,
  })
})
