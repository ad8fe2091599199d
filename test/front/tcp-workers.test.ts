import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { Front } from '../../src/front/front.ts'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { node, StubHost, StubMembership, serveData, testConfig } from './stubs.ts'

const SID_OF = (host: StubHost): string => host.of('open')[0]!.sid

/** A front with a TCP listener that leads to a worker on `host`. */
async function setting(t: Test, front = {}, key = 'k') {
  const host = await StubHost.open(t, 'n1')
  const data = await serveData(t, () => host.owner(1))
  const membership = new StubMembership([node('n1', { dataPort: data.port })])
  const config = testConfig({
    listeners: [{ tcp: '127.0.0.1:0', worker: '/w/lines.ts', key }],
    routes: [{ path: '/', task: '/w/hello.ts' }],
    front,
  })
  const started = await startFront(t, membership, config)
  const open = (): { socket: Socket; got: () => string; ended: () => string | undefined } => {
    const socket = connect({ port: started.port, host: '127.0.0.1', allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    let got = ''
    let ended: string | undefined
    socket.on('data', (chunk) => {
      got += String(chunk)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      ended = error.code
    })
    socket.on('close', () => {
      ended ??= 'closed'
    })
    return { socket, got: () => got, ended: () => ended }
  }
  return { host, open, front: started.front as Front, port: started.port }
}

t.test('the key is made of the connection, and bytes are numbered both ways', async (t) => {
  const { host, open, port, front } = await setting(t, {}, 'at :port of :address')
  const { socket, got, ended } = open()
  socket.write('early')
  await until('it is asked for', () => host.of('open').length === 1)
  const [asked] = host.of('open')
  t.match(asked, {
    worker: `lines/${encodeURIComponent(`at ${port} of 127.0.0.1`)}`,
    tcp: { remoteAddress: '127.0.0.1', localPort: port },
  })
  t.equal(host.of('message').length, 0, 'nothing is read before it is accepted')
  const { sid } = asked!
  host.send({ type: 'accept', sid, protocol: '' })
  await until('its bytes come', () => host.of('message').length === 1)
  t.same(host.of('message')[0]!.data, Buffer.from('early'))
  host.send({ type: 'message', sid, n: 1, data: Buffer.from('one') })
  host.send({ type: 'message', sid, n: 1, data: Buffer.from('one') })
  host.send({ type: 'message', sid, n: 2, data: Buffer.from('two') })
  await until('it hears each once', () => got() === 'onetwo')
  await until('what it took is acknowledged', () => host.of('ack').some(({ n }) => n === 2))
  socket.end()
  await until('its end comes', () => host.of('message').length === 2)
  t.match(host.of('message')[1], { n: 2, data: Buffer.alloc(0) })
  host.send({ type: 'ack', sid, n: 2 })
  host.send({ type: 'message', sid, n: 3, data: Buffer.alloc(0) })
  await until('both have ended', () => ended() === 'closed')
  await until('the host is told', () => host.of('close').length === 1)
  t.equal(host.of('close')[0]!.code, 1000)
  await until('it is counted', () => {
    const { sessions, sessionsTotal, bytesIn, bytesOut } = front.stats()
    return sessions === 0 && sessionsTotal === 1 && bytesIn === 5 && bytesOut === 6
  })
})

t.test(
  'a host that does not acknowledge stops the client; one that is slow stops the host',
  async (t) => {
    const { host, open } = await setting(t)
    const { socket } = open()
    await until('it is asked for', () => host.of('open').length === 1)
    host.send({ type: 'accept', sid: SID_OF(host), protocol: '' })
    let written = 0
    const pour = (): void => {
      while (written < 50_000_000) {
        written += 100_000
        if (!socket.write(Buffer.alloc(100_000))) return void socket.once('drain', pour)
      }
    }
    pour()
    await until('the writer stalls', async () => {
      const before = written
      await new Promise((done) => setTimeout(done, 100))
      return before > 4_000_000 && written === before
    })
    t.ok(written < 50_000_000, `${written} bytes were taken`)
    socket.pause()
    const piece = Buffer.alloc(1_000_000)
    for (let n = 1; n <= 7; n++) host.send({ type: 'message', sid: SID_OF(host), n, data: piece })
    let acked = 0
    await until('what it did not take is not acknowledged', async () => {
      const before = acked
      await new Promise((done) => setTimeout(done, 100))
      acked = Math.max(0, ...host.of('ack').map(({ n }) => n))
      return acked > 0 && acked === before
    })
    t.ok(acked < 7, `${acked} of 7 pieces`)
    socket.resume()
    await until('it takes the rest', () => host.of('ack').some(({ n }) => n === 7))
  },
)

t.test('refused, one too many, idle, or left behind: reset', async (t) => {
  const { host, open, front } = await setting(t, { connectionsMax: 1, tunnelIdleTimeoutMs: 200 })
  const refused = open()
  await until('it is asked for', () => host.of('open').length === 1)
  const second = open()
  await until('one is enough', () => second.ended() !== undefined)
  t.equal(second.ended(), 'ECONNRESET')
  host.send({ type: 'refuse', sid: SID_OF(host), status: 400, reason: 'none' })
  await until('it is refused', () => refused.ended() !== undefined)
  t.equal(refused.ended(), 'ECONNRESET')
  const idle = open()
  await until('it is asked for', () => host.of('open').length === 2)
  host.send({ type: 'accept', sid: host.of('open')[1]!.sid, protocol: '' })
  await until('it was idle too long', () => idle.ended() === 'ECONNRESET')
  await until('the host is told', () => host.of('close').some(({ code }) => code === 1006))
  const last = open()
  await until('it is asked for', () => host.of('open').length === 3)
  await front.stop()
  await until('it is over', () => last.ended() !== undefined)
})
