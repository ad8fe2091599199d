import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { connect } from 'node:tls'
import t from 'tap'
import { CLIENT_HELLO_BYTES_MAX, parseClientHello } from '../../src/front/client-hello.ts'

const FAULT = { code: 'ARIES_E_BAD_REQUEST' }

/** What a client of Node's sends first. */
async function helloOf(options: {
  servername?: string
  ALPNProtocols?: string[]
}): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  client.on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return bytes
}

/** The same message in records of `size` bytes. */
function cut(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
  }
  return Buffer.concat(records)
}

t.test('the name and the protocols of a real client, in one record or several', async (t) => {
  const hello = await helloOf({ servername: 'Shop.Example', ALPNProtocols: ['h2', 'http/1.1'] })
  const want = { serverName: 'shop.example', alpn: ['h2', 'http/1.1'] }
  t.same(parseClientHello(hello), want)
  t.same(parseClientHello(cut(hello, 50)), want)
  t.same(parseClientHello(await helloOf({})), { serverName: undefined, alpn: [] })
  t.throws(() => parseClientHello(cut(hello, 3)), FAULT, 'too many records')
  for (const whole of [hello, cut(hello, 50)]) {
    for (let length = 0; length < whole.length; length++) {
      t.equal(parseClientHello(whole.subarray(0, length)), undefined)
    }
  }
})

t.test('what is no ClientHello is refused', async (t) => {
  const hello = await helloOf({ servername: 'shop.example', ALPNProtocols: ['h2'] })
  const changed = (at: number, byte: number): Buffer => {
    const copy = Buffer.from(hello)
    copy[at] = byte
    return copy
  }
  const name = hello.indexOf('shop.example')
  for (const [bad, why] of [
    [Buffer.from('GET / HTTP/1.1\r\n'), 'HTTP'],
    [Buffer.from('\x80\x2e\x01\x03\x01', 'latin1'), 'SSL 2'],
    [changed(0, 23), 'another record'],
    [changed(1, 2), 'another version'],
    [changed(5, 2), 'another message'],
    [changed(6, 1), 'a message that is too long'],
    [changed(8, hello[8]! - 1), 'bytes left over'],
    [changed(name, 0), 'NUL in the name'],
    [changed(name + 4, 0x2e) && changed(name, 0x2e), 'a name that begins with a dot'],
    [Buffer.from([22, 3, 1, 0, 0]), 'an empty record'],
  ] as const) {
    t.throws(() => parseClientHello(bad), FAULT, why)
  }
})

t.test('whatever comes ends in a name, a fault or more to wait for', async (t) => {
  let seed = Number(process.env['ARIES_FUZZ_SEED'] ?? 1)
  const next = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
  const hello = await helloOf({ servername: 'shop.example', ALPNProtocols: ['h2'] })
  const seeds = [hello, cut(hello, 50)]
  let faults = 0
  for (let round = 0; round < 5_000; round++) {
    const bytes = Buffer.from(seeds[next(2)]!)
    for (let i = 1 + next(4); i > 0; i--) bytes[next(bytes.length)] = next(256)
    const part = bytes.subarray(0, next(2) === 0 ? bytes.length : next(bytes.length))
    try {
      const found = parseClientHello(part)
      if (found === undefined && part.length >= CLIENT_HELLO_BYTES_MAX) t.fail('it waits for ever')
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== FAULT.code) throw thrown
      faults++
    }
  }
  t.ok(faults > 100)
})
