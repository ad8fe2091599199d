import t from 'tap'
import { WebSocket } from 'ws'
import { until } from '../helpers/until.ts'
import { accepting, Client, front, refusal } from './room-client.ts'
import { node, StubHost } from './stubs.ts'

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
