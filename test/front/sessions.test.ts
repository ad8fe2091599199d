import t from 'tap'
import { WebSocket } from 'ws'
import { until } from '../helpers/until.ts'
import { accepting, Client, front, refusal } from './room-client.ts'
import { KeptConnection } from './start.ts'
import { StubHost } from './stubs.ts'

t.test('a session opens when the worker has accepted it, not before', async (t) => {
  const host = await StubHost.open(t, 'n1')
  const { port } = await front(t, host.owner(1))
  const headers = { 'x-own': 'yes', 'aries-worker': 'forged' }
  const client = new Client(t, port, '/room/a%20b?x=1', { headers })
  await until('the host hears of it', () => host.of('open').length === 1)
  t.equal(client.ws.readyState, WebSocket.CONNECTING)
  t.match(host.of('hello'), [{ front: 'f1', shard: 0, boot: Number }])
  t.equal(host.frames[0]?.type, 'hello')
  const open = host.of('open')[0]!
  t.match(open, { worker: 'room/a%20b', url: '/room/a%20b?x=1' })
  const seen = new Map(open.headers)
  t.equal(seen.get('x-own'), 'yes')
  t.equal(seen.get('x-forwarded-for'), '127.0.0.1')
  t.notOk(seen.get('aries-worker'))
  host.send({ type: 'accept', sid: open.sid, protocol: '' })
  await client.opened
})

t.test('the protocol that the worker chose is the protocol of the socket', async (t) => {
  const host = await StubHost.open(t, 'n1')
  host.onFrame = (frame) => {
    if (frame.type === 'open') host.send({ type: 'accept', sid: frame.sid, protocol: 'chat.2' })
  }
  const { port } = await front(t, host.owner(1))
  const ws = new WebSocket(`ws://127.0.0.1:${port}/room/a`, ['chat.1', 'chat.2'])
  t.teardown(() => ws.terminate())
  await new Promise((done) => ws.once('open', done))
  t.equal(ws.protocol, 'chat.2')
})

t.test('messages are numbered both ways, text and binary stay what they are', async (t) => {
  const host = accepting(await StubHost.open(t, 'n1'))
  const { port, front: running } = await front(t, host.owner(1))
  const client = new Client(t, port)
  await client.opened
  client.ws.send('hello')
  client.ws.send(Buffer.from([1, 2]))
  client.ws.send('')
  await until('all came', () => host.of('message').length === 3)
  const { sid } = host.of('open')[0]!
  t.match(host.of('message'), [
    { sid, n: 1, data: 'hello' },
    { sid, n: 2, data: Buffer.from([1, 2]) },
    { sid, n: 3, data: '' },
  ])
  host.send({ type: 'message', sid, n: 1, data: 'one' })
  host.send({ type: 'message', sid, n: 1, data: 'one again' })
  host.send({ type: 'message', sid, n: 2, data: Buffer.from([255]) })
  await until('both came', () => client.got.length === 2)
  t.same(client.got, ['one', 'binary ff'])
  await until('they are acknowledged', () => host.of('ack').at(-1)?.n === 2)
  await until('it is counted', () => running.stats().sessions === 1)
})

t.test('many sessions of a shard share one link', async (t) => {
  const host = accepting(await StubHost.open(t, 'n1'))
  const { port } = await front(t, host.owner(1))
  const clients = Array.from({ length: 20 }, (_, i) => new Client(t, port, `/room/${i}`))
  await Promise.all(clients.map(({ opened }) => opened))
  t.equal(host.of('hello').length, 1)
  t.equal(new Set(host.of('open').map(({ sid }) => sid)).size, 20)
})

t.test('close codes pass both ways', async (t) => {
  const host = accepting(await StubHost.open(t, 'n1'))
  const { port } = await front(t, host.owner(1))
  const leaver = new Client(t, port)
  await leaver.opened
  leaver.ws.send('bye')
  leaver.ws.close(4001, 'gone home')
  await until('the host hears it', () => host.of('close').length === 1)
  t.match(host.of('close')[0], { code: 4001, reason: 'gone home' })
  t.ok(host.frames.findIndex((f) => f.type === 'message') < host.frames.length - 1)
  const dropped = new Client(t, port)
  await dropped.opened
  dropped.ws.terminate()
  await until('the host hears it', () => host.of('close').length === 2)
  t.equal(host.of('close')[1]!.code, 1006)

  for (const [code, expected] of [
    [4002, 4002],
    [1005, 1005],
    [1006, 1006],
    [2999, 1011],
  ] as const) {
    const client = new Client(t, port)
    await client.opened
    const { sid } = host.of('open').at(-1)!
    host.send({ type: 'close', sid, code, reason: 'é'.repeat(100) })
    t.equal((await client.closed).code, expected)
  }
  t.equal(host.of('close').length, 2, 'a host is not told what it said')
})

t.test('a client that leaves is told to the host when all it sent is applied', async (t) => {
  const host = await StubHost.open(t, 'n1')
  host.onFrame = (frame) => {
    if (frame.type === 'open') host.send({ type: 'accept', sid: frame.sid, protocol: '' })
  }
  const { port, front: running } = await front(t, host.owner(1))
  const client = new Client(t, port)
  await client.opened
  client.ws.send('last words')
  client.ws.close(1000)
  await client.closed
  await until('the message came', () => host.of('message').length === 1)
  await until('the front has seen it leave', () => {
    const { sessions, sessionsTotal } = running.stats()
    return sessionsTotal === 1 && sessions === 0
  })
  t.equal(host.of('close').length, 0)
  const { sid } = host.of('open')[0]!
  host.send({ type: 'ack', sid, n: 1 })
  await until('now the close', () => host.of('close').length === 1)
})

t.test('a refusal is an HTTP status, and bad handshakes never reach a host', async (t) => {
  const host = await StubHost.open(t, 'n1')
  host.onFrame = (frame) => {
    if (frame.type !== 'open') return
    const { sid } = frame
    const status = Number(/(\d+)$/.exec(frame.worker)![1])
    host.send({ type: 'refuse', sid, status, reason: 'not today' })
  }
  const { port } = await front(t, host.owner(1))
  for (const status of [400, 403, 503]) {
    const refused = await refusal(port, `/room/${status}`)
    t.equal(refused.status, status)
    t.match(JSON.parse(refused.body), { error: { message: 'not today' } })
  }
  const opens = host.of('open').length
  const raw = new KeptConnection(t, port)
  raw.write('GET /room/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  t.equal((await raw.answer()).status, 400)
  t.equal(host.of('open').length, opens)
})

t.test('a client that sends faster than the worker applies is not read', async (t) => {
  const host = await StubHost.open(t, 'n1')
  host.onFrame = (frame) => {
    if (frame.type === 'open') host.send({ type: 'accept', sid: frame.sid, protocol: '' })
  }
  const { port } = await front(t, host.owner(1))
  const client = new Client(t, port)
  await client.opened
  const N = 5_000
  const { sid } = host.of('open')[0]!
  for (let i = 0; i < N; i++) client.ws.send('x'.repeat(1_000))
  await until('it has what it may have', () => host.of('message').length >= 1_024)
  // By the time that another client was served, what the front would still read has come too.
  const other = new Client(t, port)
  await other.opened
  t.ok(host.of('message').length < N / 4)
  host.onFrame = (frame) => {
    if (frame.type === 'message') host.send({ type: 'ack', sid, n: frame.n })
  }
  host.send({ type: 'ack', sid, n: host.of('message').at(-1)!.n })
  await until('all came', () => host.of('message').length === N)
  t.equal(host.of('message').at(-1)!.n, N)
})

t.test('a client that does not read is let go, and its host told', async (t) => {
  const host = accepting(await StubHost.open(t, 'n1'))
  const { port } = await front(t, host.owner(1))
  const client = new Client(t, port)
  await client.opened
  client.ws.pause()
  const { sid } = host.of('open')[0]!
  const data = Buffer.alloc(1_000_000)
  for (let n = 1; n <= 30; n++) host.send({ type: 'message', sid, n, data })
  await until('the host is told', () => host.of('close').length === 1)
  t.equal(host.of('close')[0]!.code, 1013)
})

t.test('a message over the limit closes with 1009; a missing one with 1011', async (t) => {
  const host = accepting(await StubHost.open(t, 'n1'))
  const { port } = await front(t, host.owner(1), { host: { messageBytesMax: 1_000 } })
  const loud = new Client(t, port)
  await loud.opened
  loud.ws.send('x'.repeat(1_001))
  t.equal((await loud.closed).code, 1009)
  const cheated = new Client(t, port)
  await cheated.opened
  host.send({ type: 'message', sid: host.of('open').at(-1)!.sid, n: 2, data: 'no 1 before it' })
  t.equal((await cheated.closed).code, 1011)
})

t.test('a front that stops closes with 1001 and tells the hosts', async (t) => {
  const host = accepting(await StubHost.open(t, 'n1'))
  const { port, front: running } = await front(t, host.owner(1))
  const client = new Client(t, port)
  await client.opened
  const stopped = running.stop()
  t.equal((await client.closed).code, 1001)
  await stopped
  t.equal(host.of('close')[0]!.code, 1001)
})
