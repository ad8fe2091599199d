/**
 * The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): what a proxy says of a
 * connection before its first byte. Strict: whatever is not exactly a header is a fault.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { AriesError } from '../errors.ts'

/** Both ends of a client's connection, as the proxy before us saw them. */
export interface ProxiedPeer {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

/** A header and its length; the peer is undefined when the proxy speaks for itself or does not know. */
export interface ProxyHeader {
  readonly bytes: number
  readonly peer: ProxiedPeer | undefined
}

const V1 = Buffer.from('PROXY ')
const V1_BYTES_MAX = 107
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_HEAD_BYTES = 16
/** Of addresses and TLVs of version 2; certificates of clients are what makes them long. */
const V2_REST_BYTES_MAX = 4_096
export const PROXY_HEADER_BYTES_MAX = V2_HEAD_BYTES + V2_REST_BYTES_MAX

const TLV_CRC32C = 0x03
/** Bytes of the addresses by family and transport: TCP over IPv4, IPv6 and UNIX sockets. */
const V2_ADDRESS_BYTES = new Map([
  [0x11, 12],
  [0x21, 36],
  [0x31, 216],
])

/** The header at the begin of `bytes`; undefined while it is not all there. Throws `ARIES_E_BAD_REQUEST`. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (beginsLike(bytes, V2)) return bytes.length < V2_HEAD_BYTES ? undefined : parseV2(bytes)
  if (beginsLike(bytes, V1)) return parseV1(bytes)
  throw fault('a connection from a trusted proxy does not begin with a PROXY header')
}

function beginsLike(bytes: Buffer, sign: Buffer): boolean {
  const length = Math.min(bytes.length, sign.length)
  return bytes.compare(sign, 0, length, 0, length) === 0
}

function parseV1(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n')
  if (end < 0) {
    if (bytes.length >= V1_BYTES_MAX) throw fault('a PROXY line is too long')
    return undefined
  }
  const line = bytes.toString('latin1', 0, end)
  const used = end + 2
  if (line === 'PROXY UNKNOWN' || line.startsWith('PROXY UNKNOWN ')) {
    return { bytes: used, peer: undefined }
  }
  const match = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line)
  if (match === null) throw fault('a PROXY line is malformed')
  const [, family, from, to, fromPort, toPort] = match as unknown as string[]
  const isAddress = family === '4' ? isIPv4 : isIPv6
  if (!isAddress(from!) || !isAddress(to!)) throw fault('a PROXY line has a malformed address')
  const peer = {
    remoteAddress: from!,
    remotePort: portOf(fromPort!),
    localAddress: to!,
    localPort: portOf(toPort!),
  }
  return { bytes: used, peer }
}

function portOf(text: string): number {
  const port = Number(text)
  if (port > 65_535 || (text.length > 1 && text.startsWith('0'))) {
    throw fault('a PROXY line has a malformed port')
  }
  return port
}

function parseV2(bytes: Buffer): ProxyHeader | undefined {
  const command = bytes[12]!
  const kind = bytes[13]!
  const rest = bytes.readUInt16BE(14)
  if (command !== 0x20 && command !== 0x21) throw fault('a PROXY header has an unknown command')
  if (rest > V2_REST_BYTES_MAX) throw fault('a PROXY header is too long')
  const used = V2_HEAD_BYTES + rest
  if (bytes.length < used) return undefined
  const header = bytes.subarray(0, used)
  const isLocal = command === 0x20
  const addressBytes = V2_ADDRESS_BYTES.get(kind)
  // The proxy's own connection, a check for instance: whatever stands in it does not count.
  if (isLocal || kind === 0x00) {
    return { bytes: used, peer: undefined }
  }
  if (addressBytes === undefined) throw fault('a PROXY header is not of a TCP connection')
  if (rest < addressBytes) throw fault('a PROXY header is too short for its addresses')
  checkTlvs(header, V2_HEAD_BYTES + addressBytes)
  return { bytes: used, peer: kind === 0x31 ? undefined : peerOf(header, kind === 0x11 ? 4 : 16) }
}

function peerOf(header: Buffer, size: number): ProxiedPeer {
  const at = V2_HEAD_BYTES
  return {
    remoteAddress: addressOf(header.subarray(at, at + size)),
    localAddress: addressOf(header.subarray(at + size, at + 2 * size)),
    remotePort: header.readUInt16BE(at + 2 * size),
    localPort: header.readUInt16BE(at + 2 * size + 2),
  }
}

/** TLVs have to fill the header exactly; of what they say the checksum alone counts. */
function checkTlvs(header: Buffer, from: number): void {
  let at = from
  while (at < header.length) {
    if (at + 3 > header.length) throw fault('a PROXY header ends in a TLV')
    const length = header.readUInt16BE(at + 1)
    const end = at + 3 + length
    if (end > header.length) throw fault('a PROXY header ends in a TLV')
    if (header[at] === TLV_CRC32C) {
      if (length !== 4) throw fault('a PROXY header has a malformed checksum')
      const whole = Buffer.from(header)
      whole.fill(0, at + 3, end)
      if (crc32c(whole) !== header.readUInt32BE(at + 3)) {
        throw fault('a PROXY header has a wrong checksum')
      }
    }
    at = end
  }
}

function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: string[] = []
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16))
  // In the one form that addresses of sockets have (RFC 5952).
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

/** CRC-32C (RFC 3720, appendix B.4). */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

export type ProxyVersion = 'v1' | 'v2'

/** The header for a connection to a server; of a peer that is not known, one that says so. */
export function proxyHeader(version: ProxyVersion, peer: ProxiedPeer | undefined): Buffer {
  const known = peer && ipFamily(peer)
  if (version === 'v1') {
    if (!known) return Buffer.from('PROXY UNKNOWN\r\n')
    const { remoteAddress, localAddress, remotePort, localPort } = known.peer
    return Buffer.from(
      `PROXY TCP${known.family} ${remoteAddress} ${localAddress} ${remotePort} ${localPort}\r\n`,
    )
  }
  if (!known) return Buffer.concat([V2, Buffer.from([0x20, 0x00, 0, 0])])
  const { remoteAddress, localAddress, remotePort, localPort } = known.peer
  const addresses = Buffer.concat([bytesOf(remoteAddress), bytesOf(localAddress), Buffer.alloc(4)])
  addresses.writeUInt16BE(remotePort, addresses.length - 4)
  addresses.writeUInt16BE(localPort, addresses.length - 2)
  const head = Buffer.from([0x21, known.family === 4 ? 0x11 : 0x21, 0, addresses.length])
  return Buffer.concat([V2, head, addresses])
}

/** The peer in one family: an IPv4 address on a socket for both stands in its own form. */
function ipFamily(peer: ProxiedPeer): { family: 4 | 6; peer: ProxiedPeer } | undefined {
  const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '')
  const remoteAddress = plain(peer.remoteAddress)
  const localAddress = plain(peer.localAddress)
  const both = { ...peer, remoteAddress, localAddress }
  if (isIPv4(remoteAddress) && isIPv4(localAddress)) return { family: 4, peer: both }
  if (isIPv6(remoteAddress) && isIPv6(localAddress)) return { family: 6, peer: both }
  return undefined
}

function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const bytes = Buffer.alloc(16)
  const [front, back = ''] = address.split('%')[0]!.split('::') as [string, string?]
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map(hex))
  for (const [i, group] of groups(front).entries()) bytes.writeUInt16BE(group, i * 2)
  const tail = groups(back)
  for (const [i, group] of tail.entries()) bytes.writeUInt16BE(group, 16 - (tail.length - i) * 2)
  return bytes
}

function hex(text: string): number {
  return Number.parseInt(text, 16)
}

function fault(message: string): AriesError {
  return new AriesError('ARIES_E_BAD_REQUEST', message)
}
