import t from 'tap'
import { WebSocket } from 'ws'
import type { OwnerAddress } from '../../src/wire.ts'
import { until } from '../helpers/until.ts'
import { KeptConnection, type StartedFront, startFront } from './start.ts'
import { node, StubHost, StubMembership, serveData, type Teardown, testConfig } from './stubs.ts'

const ROUTES = [{ path: '/room/:key', worker: '/w/room.ts' }]

interface Answering {
  owner: OwnerAddress
  readonly suspects: unknown[]
}

/** A front whose nodes answer what `answering` says at the moment. */
async function front(
  t: Teardown,
  owner: OwnerAddress,
  parts: Record<string, unknown> = {},
): Promise<StartedFront & { answering: Answering; membership: StubMembership }> {
  const answering: Answering = { owner, suspects: [] }
  const data = await serveData(t, ({ suspect }) => {
    if (suspect) answering.suspects.push(suspect)
    return answering.owner
  })
  const membership = new StubMembership(['n1', 'n2'].map((id) => node(id, { dataPort: data.port })))
  const started = await startFront(t, membership, testConfig({ routes: ROUTES, ...parts }))
  return { ...started, answering, membership }
}

/** A client that keeps what it got. */
class Client {
  readonly ws: WebSocket
  readonly got: string[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  readonly opened: Promise<void>

  constructor(t: Teardown, port: number, path = '/room/lobby', options = {}) {
    this.ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, options)
    this.ws.on('message', (data: Buffer, binary: boolean) => {
      this.got.push(binary ? `binary ${data.toString('hex')}` : data.toString())
    })
    this.closed = new Promise((done) => {
      this.ws.on('close', (code: number, reason: Buffer) => done({ code, reason: String(reason) }))
    })
    this.opened = new Promise((done, fail) => this.ws.on('open', done).on('error', fail))
    this.opened.catch(() => {})
    t.teardown(() => this.ws.terminate())
  }
}

/** Accepts every session, acknowledges every message, at once. */
function accepting(host: StubHost): StubHost {
  host.onFrame = (frame) => {
    if (frame.type === 'open') host.send({ type: 'accept', sid: frame.sid, protocol: '' })
    if (frame.type === 'message') host.send({ type: 'ack', sid: frame.sid, n: frame.n })
  }
  return host
}

/** Status and body of a refused WebSocket. */
function refusal(port: number, path = '/room/lobby'): Promise<{ status: number; body: string }> {
  return new Promise((done, fail) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    ws.on('open', () => fail(new Error('opened')))
    ws.on('error', () => {})
    ws.on('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += String(chunk)
      })
      response.on('end', () => done({ status: response.statusCode ?? 0, body }))
    })
  })
}

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

t.test('a refusal that names the owner is followed', async (t) => {
  const [a, b] = [await StubHost.open(t, 'n1'), accepting(await StubHost.open(t, 'n2'))]
  a.onFrame = (frame) => {
    if (frame.type !== 'open') return
    a.send({ type: 'refuse', sid: frame.sid, status: 421, reason: 'moved', owner: b.owner(2) })
  }
  const { port } = await front(t, a.owner(1))
  await new Client(t, port).opened
  t.equal(b.of('open')[0]!.sid, a.of('open')[0]!.sid)
  await new Client(t, port).opened
  t.equal(a.of('open').length, 1, 'the second one knows')
})

t.test('a move is not noticed: nothing lost, nothing twice, whatever was under way', async (t) => {
  const [a, b] = [await StubHost.open(t, 'n1'), await StubHost.open(t, 'n2')]
  a.onFrame = (frame) => {
    if (frame.type === 'open') a.send({ type: 'accept', sid: frame.sid, protocol: '' })
  }
  const { port, front: running } = await front(t, a.owner(1))
  const client = new Client(t, port)
  await client.opened
  const { sid, worker } = a.of('open')[0]!
  for (const text of ['m1', 'm2', 'm3']) client.ws.send(text)
  await until('A has them', () => a.of('message').length === 3)
  // A has applied the first alone; its answer 2 is sent but lost with the link's last bytes.
  a.send({ type: 'ack', sid, n: 1 })
  a.send({ type: 'message', sid, n: 1, data: 'a1' })
  a.send({ type: 'moved', sids: [sid], worker, owner: b.owner(2) })
  await until('B is asked', () => b.of('message').length === 2)
  t.match(b.of('attach'), [{ sid, worker, seen: 1 }])
  t.match(b.of('message'), [
    { n: 2, data: 'm2' },
    { n: 3, data: 'm3' },
  ])
  client.ws.send('m4')
  await until('B has the new one', () => b.of('message').at(-1)?.n === 4)
  b.send({ type: 'message', sid, n: 1, data: 'a1' })
  b.send({ type: 'message', sid, n: 2, data: 'a2' })
  b.send({ type: 'ack', sid, n: 4 })
  b.send({ type: 'message', sid, n: 3, data: 'a3' })
  await until('the client has all', () => client.got.length >= 3)
  // Late frames of a host that it has left are nothing.
  a.send({ type: 'message', sid, n: 4, data: 'ghost' })
  a.send({ type: 'close', sid, code: 4000, reason: 'ghost' })
  b.send({ type: 'message', sid, n: 4, data: 'a4' })
  await until('the client has the fourth', () => client.got.length >= 4)
  t.same(client.got, ['a1', 'a2', 'a3', 'a4'])
  t.equal(client.ws.readyState, WebSocket.OPEN)
  await until('it is counted', () => running.stats().rehomed === 1)

  new Client(t, port)
  await until('a new one goes to B at once', () => b.of('open').length === 1)
})

t.test('back and forth while both talk: 1…N each way, each once', async (t) => {
  const hosts = [await StubHost.open(t, 'n1'), await StubHost.open(t, 'n2')] as const
  // What a worker is: applied inbound numbers, and outbound messages until acknowledged.
  const state = { inSeq: 0, applied: [] as string[], outbox: [] as { n: number; data: string }[] }
  let outSeq = 0
  let at = 0
  let sid = ''
  for (const [i, host] of hosts.entries()) {
    host.onFrame = (frame) => {
      if (frame.type === 'open') {
        sid = frame.sid
        host.send({ type: 'accept', sid, protocol: '' })
      }
      if (i !== at) return
      if (frame.type === 'attach') {
        for (const { n, data } of state.outbox) {
          if (n > frame.seen) host.send({ type: 'message', sid, n, data })
        }
      }
      if (frame.type === 'ack') state.outbox = state.outbox.filter(({ n }) => n > frame.n)
      if (frame.type === 'message' && frame.n === state.inSeq + 1) {
        state.inSeq = frame.n
        state.applied.push(String(frame.data))
        outSeq += 1
        const reply = { n: outSeq, data: `r${frame.n}` }
        state.outbox.push(reply)
        host.send({ type: 'message', sid, ...reply })
        if (frame.n % 3 === 0) host.send({ type: 'ack', sid, n: frame.n })
      }
    }
  }
  const { port } = await front(t, hosts[0].owner(1))
  const client = new Client(t, port)
  await client.opened
  const N = 400
  for (let i = 1; i <= N; i++) {
    client.ws.send(`m${i}`)
    if (i % 5 === 0) await new Promise((done) => setImmediate(done))
    if (i % 40 === 20) {
      const from = hosts[at]!
      at = 1 - at
      const owner = hosts[at]!.owner(i)
      const attaches = hosts[at]!.of('attach').length
      from.send({ type: 'moved', sids: [sid], worker: 'room/lobby', owner })
      // While the session is attached, both go on talking.
      client.ws.send(`m${++i}`)
      await until('it is attached', () => hosts[at]!.of('attach').length > attaches)
    }
  }
  await until('all came back', () => client.got.length >= N)
  const numbers = Array.from({ length: N }, (_, i) => i + 1)
  t.same(
    state.applied,
    numbers.map((n) => `m${n}`),
  )
  t.same(
    client.got,
    numbers.map((n) => `r${n}`),
  )
})

t.test('a lost link is opened again, at the owner that the nodes name', async (t) => {
  const [a, b] = [accepting(await StubHost.open(t, 'n1')), accepting(await StubHost.open(t, 'n2'))]
  const { port, answering } = await front(t, a.owner(1))
  const client = new Client(t, port)
  await client.opened
  a.cutLink()
  await until('it is attached again', () => a.of('attach').length === 1)
  t.match(answering.suspects[0], { node: 'n1', epoch: 1 })
  answering.owner = b.owner(2)
  await a.kill()
  await until('it is attached at B', () => b.of('attach').length === 1)
  client.ws.send('still here')
  await until('it goes on', () => b.of('message').length === 1)
  t.equal(client.ws.readyState, WebSocket.OPEN)
})

t.test('a session that the new host does not know is closed with 1012', async (t) => {
  const [a, b] = [accepting(await StubHost.open(t, 'n1')), await StubHost.open(t, 'n2')]
  b.onFrame = (frame) => {
    if (frame.type !== 'attach') return
    b.send({ type: 'refuse', sid: frame.sid, status: 421, reason: 'no such session' })
  }
  const { port, answering } = await front(t, a.owner(1))
  const client = new Client(t, port)
  await client.opened
  answering.owner = b.owner(2)
  await a.kill()
  t.equal((await client.closed).code, 1012)
})

t.test('a session without any host is closed with 1012 when its time is up', async (t) => {
  const a = accepting(await StubHost.open(t, 'n1'))
  const { port } = await front(t, a.owner(1), { front: { ownerTimeoutMs: 200 } })
  const client = new Client(t, port)
  await client.opened
  await a.kill()
  t.equal((await client.closed).code, 1012)
  t.equal((await refusal(port)).status, 504)
})

t.test('a node that gossip finds dead loses its sessions though TCP is silent', async (t) => {
  const [a, b] = [accepting(await StubHost.open(t, 'n1')), accepting(await StubHost.open(t, 'n2'))]
  const { port, answering, membership } = await front(t, a.owner(1))
  const client = new Client(t, port)
  await client.opened
  answering.owner = b.owner(2)
  membership.set(node('n1', { state: 'unreachable' }))
  await until('it is attached at B', () => b.of('attach').length === 1)
  t.equal(client.ws.readyState, WebSocket.OPEN)
})

t.test('who moves while its client is leaving hears that it left', async (t) => {
  const [a, b] = [accepting(await StubHost.open(t, 'n1')), await StubHost.open(t, 'n2')]
  const { port } = await front(t, a.owner(1))
  const client = new Client(t, port)
  await client.opened
  const { sid, worker } = a.of('open')[0]!
  client.ws.close(4003, 'off')
  await until('A hears it', () => a.of('close').length === 1)
  a.send({ type: 'moved', sids: [sid], worker, owner: b.owner(2) })
  await until('B hears it too', () => b.of('close').length === 1)
  t.match(b.of('close')[0], { sid, code: 4003, reason: 'off' })
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
