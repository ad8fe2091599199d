import t from 'tap'
import {
  PROXY_HEADER_BYTES_MAX,
  parseProxyHeader,
  proxyHeader,
} from '../../src/front/proxy-protocol.ts'

const FAULT = { code: 'ARIES_E_BAD_REQUEST' }
const V2 = '0d0a0d0a000d0a515549540a'

function v1(line: string): Buffer {
  return Buffer.from(line, 'latin1')
}

function v2(hex: string): Buffer {
  return Buffer.from(V2 + hex.replaceAll(' ', ''), 'hex')
}

t.test('version 1', async (t) => {
  t.same(parseProxyHeader(v1('PROXY TCP4 192.0.2.1 198.51.100.2 4321 443\r\nGET')), {
    bytes: 44,
    peer: {
      remoteAddress: '192.0.2.1',
      remotePort: 4321,
      localAddress: '198.51.100.2',
      localPort: 443,
    },
  })
  t.match(parseProxyHeader(v1('PROXY TCP6 2001:db8::1 ::1 1 2\r\n')), {
    peer: { remoteAddress: '2001:db8::1' },
  })
  t.same(parseProxyHeader(v1('PROXY UNKNOWN\r\n')), { bytes: 15, peer: undefined })
  t.same(parseProxyHeader(v1('PROXY UNKNOWN ff::1 ff::2 1 2\r\n'))?.peer, undefined)
})

t.test('what is not all there is waited for', async (t) => {
  for (const whole of [
    proxyHeader('v1', PEER4),
    proxyHeader('v2', PEER4),
    proxyHeader('v2', PEER6),
    proxyHeader('v2', undefined),
  ]) {
    for (let length = 0; length < whole.length; length++) {
      t.equal(parseProxyHeader(whole.subarray(0, length)), undefined)
    }
    t.equal(parseProxyHeader(whole)?.bytes, whole.length)
  }
})

t.test('what is malformed is refused', async (t) => {
  for (const bad of [
    'GET / HTTP/1.1\r\n',
    'PROXY  TCP4 192.0.2.1 198.51.100.2 4321 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 4321 443 \r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 04321 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n',
    'PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n',
    'PROXY TCP4 ::1 ::2 1 443\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n',
    'PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n',
    'PROXY UNKNOWNS\r\n',
    'proxy TCP4 192.0.2.1 198.51.100.2 1 443\r\n',
    `PROXY UNKNOWN ${'x'.repeat(200)}\r\n`,
  ]) {
    t.throws(() => parseProxyHeader(v1(bad)), FAULT, bad)
  }
  for (const [bad, why] of [
    ['11 11 000c c0000201c6336402 0001 0002', 'version 1 in the form of 2'],
    ['22 11 000c c0000201c6336402 0001 0002', 'an unknown command'],
    ['21 12 000c c0000201c6336402 0001 0002', 'UDP'],
    ['21 11 000b c0000201c6336402 0001 00', 'too short for addresses'],
    ['21 11 ffff', 'too long'],
    ['21 11 000e c0000201c6336402 0001 0002 0100', 'half a TLV'],
    ['21 11 000f c0000201c6336402 0001 0002 010001', 'a TLV beyond the end'],
    ['21 11 0013 c0000201c6336402 0001 0002 030004 00000000', 'a wrong checksum'],
  ] as const) {
    t.throws(() => parseProxyHeader(v2(bad)), FAULT, why)
  }
})

const PEER4 = {
  remoteAddress: '192.0.2.1',
  remotePort: 4321,
  localAddress: '198.51.100.2',
  localPort: 443,
}
const PEER6 = { ...PEER4, remoteAddress: '2001:db8::1:0:2', localAddress: '::1' }

t.test('version 2: what is written is read; TLVs are skipped, a checksum is checked', async (t) => {
  t.same(parseProxyHeader(proxyHeader('v2', PEER4))?.peer, PEER4)
  t.same(parseProxyHeader(proxyHeader('v2', PEER6))?.peer, PEER6)
  t.same(parseProxyHeader(proxyHeader('v1', PEER6))?.peer, PEER6)
  t.equal(parseProxyHeader(proxyHeader('v2', undefined))?.peer, undefined)
  const mapped = {
    ...PEER4,
    remoteAddress: '::ffff:192.0.2.1',
    localAddress: '::ffff:198.51.100.2',
  }
  t.same(parseProxyHeader(proxyHeader('v2', mapped))?.peer, PEER4)
  const tlv = v2('21 11 0010 c0000201c6336402 10e1 01bb 020001 78')
  t.same(parseProxyHeader(tlv), { bytes: 32, peer: PEER4 })
  const summed = v2('21 11 0013 c0000201c6336402 10e1 01bb 030004 00000000')
  summed.writeUInt32BE(0xff924dc1, summed.length - 4)
  t.same(parseProxyHeader(summed)?.peer, PEER4)
  t.equal(parseProxyHeader(v2('20 11 0000'))?.peer, undefined, 'the proxy itself')
})

t.test('whatever comes ends in a header, a fault or more to wait for', async (t) => {
  let seed = Number(process.env['ARIES_FUZZ_SEED'] ?? 1)
  const next = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
  const seeds = [proxyHeader('v1', PEER4), proxyHeader('v1', PEER6), proxyHeader('v2', PEER6)]
  for (let round = 0; round < 5_000; round++) {
    const bytes = Buffer.concat([seeds[next(3)]!, Buffer.alloc(next(40), next(256))])
    for (let i = next(4); i > 0; i--) bytes[next(bytes.length)] = next(256)
    try {
      const header = parseProxyHeader(bytes)
      t.ok(header === undefined || header.bytes <= bytes.length, { diagnostic: false })
      if (header === undefined) t.ok(bytes.length < PROXY_HEADER_BYTES_MAX)
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== FAULT.code) throw thrown
    }
  }
})
