import { once } from 'node:events'
import { type AddressInfo, connect, createServer, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { onread, removeReader, setReader } from '../../src/http1/read-buffer.ts'
import { until } from '../helpers/until.ts'

/** Both ends of a connection; the client's reads into the buffer from the start. */
async function pair(t: Test): Promise<{ client: Socket; served: Socket }> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client: Socket = connect({ host: '127.0.0.1', port, onread: onread(() => client) })
  const [served] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    client.destroy()
    served.destroy()
    server.close()
  })
  return { client, served }
}

t.test('both kinds of sockets read into the buffer, then as streams again', async (t) => {
  const { client, served } = await pair(t)
  for (const [from, to, kind] of [
    [client, served, 'accepted'],
    [served, client, 'connected'],
  ] as const) {
    const chunks: Buffer[] = []
    let dataEvents = 0
    t.ok(
      setReader(to, (chunk) => chunks.push(chunk)),
      `${kind}: this Node lets us`,
    )
    to.resume()
    from.write('one')
    await until('it has come', () => Buffer.concat(chunks).toString() === 'one')
    from.write('two')
    await until('more has come', () => Buffer.concat(chunks).toString() === 'onetwo')
    t.equal(String(chunks[0]), 'one', `${kind}: what came first is still what it was`)
    removeReader(to)
    to.on('data', (chunk: Buffer) => {
      dataEvents++
      chunks.push(chunk)
    })
    from.write('three')
    await until('the rest', () => Buffer.concat(chunks).toString() === 'onetwothree')
    t.ok(dataEvents > 0, `${kind}: as data`)
  }
})

t.test('a pause holds back, an end is heard', async (t) => {
  const { client, served } = await pair(t)
  let bytes = 0
  let ended = false
  setReader(served, (chunk) => {
    bytes += chunk.length
  })
  served.on('end', () => {
    ended = true
  })
  served.resume()
  client.write('x')
  await until('a byte', () => bytes === 1)
  served.pause()
  client.write(Buffer.alloc(1_000_000))
  client.end()
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(bytes <= 1 + 65_536, 'at most what was under way')
  served.resume()
  await until('all of it', () => bytes === 1_000_001)
  await until('its end', () => ended)
})

t.test('nothing else is touched', (t) => {
  const other = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  t.notOk(
    setReader(other as unknown as Socket, () => {}),
    'no socket',
  )
  t.notOk(
    setReader(new Socket(), () => {}),
    'no connection',
  )
  t.end()
})
