import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, type Teardown, testConfig } from './stubs.ts'

interface Echo {
  readonly url: string
  readonly server: Server
  readonly sockets: Socket[]
}

/** Answers, when the client has half-closed, with its name and what it got. */
async function echo(t: Teardown, name: string): Promise<Echo> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    let got = ''
    socket.on('data', (chunk) => {
      got += String(chunk)
    })
    socket.on('end', () => socket.end(`${name} ${got}`))
    socket.on('error', () => {})
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets }
}

function open(t: Teardown, port: number): { socket: Socket; ended: Promise<string> } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  let got = ''
  socket.on('data', (chunk) => {
    got += String(chunk)
  })
  const ended = new Promise<string>((done) => {
    socket.on('end', () => done(got))
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'))
  })
  return { socket, ended }
}

/** Waits for the first health check, so that it is not taken for a client. */
async function checked(...echoes: Pick<Echo, 'sockets'>[]): Promise<void> {
  for (const { sockets } of echoes) {
    await until('it was checked', () => sockets[0]?.destroyed === true)
    sockets.length = 0
  }
}

function config(upstreams: string[], front = {}) {
  return testConfig({
    listeners: [{ tcp: '127.0.0.1:0', upstreams }],
    routes: [{ path: '/', task: '/w/hello.ts' }],
    health: { intervalMs: 10_000 },
    front,
  })
}

t.test('both directions are spliced, and each ends on its own', async (t) => {
  const a = await echo(t, 'a')
  const { port, front } = await startFront(t, new StubMembership(), config([a.url]))
  await checked(a)
  const { socket, ended } = open(t, port)
  socket.write('one ')
  socket.end('two')
  t.equal(await ended, 'a one two')
  socket.destroy()
  await until('it is counted', () => {
    const { tcpConnectionsTotal, tcpConnections, bytesIn, bytesOut } = front.stats()
    return tcpConnectionsTotal === 1 && tcpConnections === 0 && bytesIn === 7 && bytesOut === 9
  })
})

t.test(
  'the upstream with the fewest connections is taken; one that is dead is passed over',
  async (t) => {
    const [a, b, dead] = [await echo(t, 'a'), await echo(t, 'b'), await echo(t, 'dead')]
    await new Promise((done) => dead.server.close(done))
    const { port } = await startFront(t, new StubMembership(), config([a.url, b.url, dead.url]))
    await checked(a, b)
    const clients = []
    for (let i = 1; i <= 10; i++) {
      clients.push(open(t, port))
      await until('it is connected', () => a.sockets.length + b.sockets.length >= i)
    }
    t.equal(a.sockets.length, 5)
    t.equal(b.sockets.length, 5)
    for (const { socket } of clients) socket.end('x')
    for (const { ended } of clients) t.match(await ended, /^[ab] x$/)
  },
)

t.test('an upstream that has said all still hears the client', async (t) => {
  let heard = ''
  let checks = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.end('greeting')
    socket.on('data', (chunk) => {
      heard += String(chunk)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      checks += 1
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => server.close())
  const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { port } = await startFront(t, new StubMembership(), config([url]))
  await until('it was checked', () => checks === 1)
  const { socket, ended } = open(t, port)
  t.equal(await ended, 'greeting')
  socket.write('I am ')
  socket.end('still here')
  await until('it is heard', () => heard === 'I am still here')
})

t.test('when no upstream can be connected the client is reset', async (t) => {
  const a = await echo(t, 'a')
  await new Promise((done) => a.server.close(done))
  const { port } = await startFront(t, new StubMembership(), config([a.url]))
  t.equal(await open(t, port).ended, 'ECONNRESET')
})

t.test('more clients than the limit are reset at once', async (t) => {
  const a = await echo(t, 'a')
  const { port } = await startFront(t, new StubMembership(), config([a.url], { connectionsMax: 1 }))
  await checked(a)
  const first = open(t, port)
  await until('it is connected', () => a.sockets.length === 1)
  t.equal(await open(t, port).ended, 'ECONNRESET')
  first.socket.end('x')
  t.equal(await first.ended, 'a x')
})

t.test('a slow reader slows its writer; not a byte is lost', async (t) => {
  const SIZE = 50_000_000
  let written = 0
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    if (sockets.length === 1) return void socket.resume()
    const chunk = Buffer.alloc(100_000, 1)
    const pour = (): void => {
      while (written < SIZE) {
        written += chunk.length
        if (!socket.write(chunk)) return void socket.once('drain', pour)
      }
      socket.end()
    }
    socket.on('error', () => {})
    pour()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => server.close())
  const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { port } = await startFront(t, new StubMembership(), config([url]))
  await until('it was checked', () => sockets[0]?.destroyed === true)
  const socket = connect(port, '127.0.0.1').pause()
  await until('the writer stalls', async () => {
    const before = written
    await new Promise((done) => setTimeout(done, 100))
    return before > 0 && written === before
  })
  t.ok(written < SIZE, `${written} bytes were taken of a client that reads none`)
  let got = 0
  await new Promise((done) => {
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length
    })
    socket.on('end', done)
    socket.resume()
  })
  t.equal(got, SIZE)
})

t.test('an idle connection is closed, and stop cuts what does not end', async (t) => {
  const a = await echo(t, 'a')
  const limits = { tunnelIdleTimeoutMs: 100 }
  const { port, front } = await startFront(t, new StubMembership(), config([a.url], limits))
  await checked(a)
  const idle = open(t, port)
  await idle.ended
  await front.setConfig(config([a.url], { tunnelIdleTimeoutMs: 60_000 }))
  const lasting = open(t, port)
  await until('it is connected', () => a.sockets.length === 2)
  await front.stop()
  t.equal(await lasting.ended, 'ECONNRESET')
})
