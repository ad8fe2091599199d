import t from 'tap'
import type { UpgradedSocket } from '../../../src/front/plan.ts'
import { until } from '../../helpers/until.ts'
import {
  dial,
  FORWARDERS,
  forwardTo,
  type RawSocket,
  rawOrigin,
  startFront,
  startFrontTo,
  targetAt,
} from './harness.ts'

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n'
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n'

/** Switches protocols, then sends everything back in capitals. */
function shout(connection: RawSocket): void {
  const end = connection.text.indexOf('\r\n\r\n')
  if (end < 0) return
  const first = !connection.text.startsWith('done')
  const data = first ? connection.text.slice(end + 4) : connection.text.slice(8)
  connection.text = 'done\r\n\r\n'
  connection.write((first ? `${SWITCHED}hello ` : '') + data.toUpperCase())
}

for (const forwarder of FORWARDERS) {
  t.test(`${forwarder}: a 101 makes a tunnel`, async (t) => {
    const origin = await rawOrigin(t, shout)
    const front = await startFrontTo(t, forwardTo(t, forwarder, origin.port))
    const client = await dial(t, front.port)
    client.write(`${UPGRADE}early `)
    await client.has('hello EARLY ')
    t.match(client.text, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    t.match(client.text, /\r\nSec-WebSocket-Accept: y\r\n/i)
    t.match(client.text, /\r\nUpgrade: websocket\r\n/i)
    client.write('and late')
    await client.has('AND LATE')
    t.match(front.engine.stats(), { tunnelsOpen: 1, connectionsOpen: 0, exchangesActive: 1 })
    const big = 'x'.repeat(3_000_000)
    client.text = ''
    client.write(big)
    await until('the echo', () => client.text.length === big.length)
    t.equal(client.text, big.toUpperCase())
    client.socket.end()
    await client.gone()
    await origin.connections[0]!.gone()
    await until('the end', () => front.engine.stats().tunnelsOpen === 0)
    t.match(front.records, [{ status: 101, target: '/chat' }])
    t.equal(front.engine.stats().exchangesActive, 0)
  })

  t.test(`${forwarder}: an upgrade that is refused is an ordinary answer`, async (t) => {
    const origin = await rawOrigin(t, (connection) =>
      connection.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
    )
    const front = await startFrontTo(t, forwardTo(t, forwarder, origin.port))
    const client = await dial(t, front.port)
    client.write(UPGRADE)
    await client.has('HTTP/1.1 403 ')
    await client.has('no')
  })
}

t.test('a tunnel holds back the faster side', async (t) => {
  const total = 64 * 1024 * 1024
  const piece = Buffer.alloc(65_536, 'y')
  let written = 0
  const origin = await rawOrigin(t, (connection) => {
    connection.write(SWITCHED)
    const more = (): void => {
      while (written < total) {
        written += piece.length
        if (!connection.socket.write(piece)) return
      }
    }
    connection.socket.on('drain', more)
    more()
  })
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.keep = false
  client.write(UPGRADE)
  await until('first bytes', () => client.bytes > 0)
  client.socket.pause()
  let before = -1
  await until('the origin to stop', () => {
    const stopped = written === before
    before = written
    return stopped && front.sockets[0]!.writableNeedDrain
  })
  t.ok(written < total / 2, `${written} bytes are under way`)
  t.ok(front.sockets[0]!.writableLength < 1_000_000, 'little of it in the engine')
  client.socket.resume()
  await until('the rest', () => client.bytes > total)
})

t.test('the upgrade is passed on', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.write(UPGRADE)
  await until('request', () => origin.requests() === 1)
  t.match(origin.connections[0]!.text, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/)
  t.equal(front.heads[0]?.upgrade, 'websocket')
})

t.test('each side may end first; what was sent still arrives', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    if (!connection.text.endsWith('\r\n\r\n')) return
    connection.write(`${SWITCHED}last words`)
    connection.socket.end()
  })
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port, true)
  client.write(UPGRADE)
  await client.gone()
  t.match(client.text, /last words$/)
  client.socket.end('my own')
  await until('my own', () => origin.connections[0]!.text.endsWith('my own'))
})

t.test(
  'a tunnel ends: when it is idle, when its target dies, when the engine closes',
  async (t) => {
    for (const how of ['idle', 'reset', 'close'] as const) {
      const origin = await rawOrigin(t, shout)
      const front = await startFrontTo(
        t,
        targetAt(origin.port),
        how === 'idle' ? { tunnelIdleTimeoutMs: 150 } : {},
      )
      const client = await dial(t, front.port)
      client.write(UPGRADE)
      await client.has('hello')
      if (how === 'reset') origin.connections[0]!.socket.resetAndDestroy()
      if (how === 'close') await front.engine.close(10)
      await client.gone()
      await origin.connections[0]!.gone()
      t.match(front.records, [{ status: 101 }], how)
      t.equal(front.engine.stats().tunnelsOpen, 0, how)
    }
  },
)

t.test('a plan to take gets the socket and what was read past the head', async (t) => {
  const taken: { socket: UpgradedSocket; head: string }[] = []
  const front = await startFront(t, () => ({
    kind: 'take',
    take: (socket, head) => taken.push({ socket, head: head.toString() }),
  }))
  const client = await dial(t, front.port)
  client.write(`${UPGRADE}early`)
  await until('take', () => taken.length === 1)
  const { socket, head } = taken[0]!
  t.teardown(() => socket.destroy())
  t.equal(head, 'early')
  t.equal(socket.listenerCount('data'), 0)
  client.write(' late')
  await new Promise((resolve) => setTimeout(resolve, 20))
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString()
  })
  socket.resume()
  await until('late', () => text === ' late')
  socket.write('mine')
  await client.has('mine')
  t.match(front.engine.stats(), { connectionsOpen: 0, exchangesActive: 0 })
  t.match(front.records, [{ status: 101 }])
})
