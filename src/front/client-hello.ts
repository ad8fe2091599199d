/**
 * The first message of a TLS client (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1), read only as far
 * as it says where the client wants to: the connection itself is not terminated. Strict: lengths have
 * to add up, and what is no ClientHello is a fault.
 */
import { AriesError } from '../errors.ts'

export interface ClientHello {
  /** In small letters; undefined when the client names none. */
  readonly serverName: string | undefined
  /** Protocols that it offers, in its order. */
  readonly alpn: readonly string[]
}

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const RECORD_HEAD_BYTES = 5
const RECORD_BYTES_MAX = 16_384
const EXTENSION_SERVER_NAME = 0
const EXTENSION_ALPN = 16
/** Of the whole message; those with post-quantum keys have under 2 KiB. */
const HELLO_BYTES_MAX = 16_384
/** A client that cuts it into single bytes costs this many records at most. */
const RECORDS_MAX = 64
/** With the heads of its records. */
export const CLIENT_HELLO_BYTES_MAX = HELLO_BYTES_MAX + 4 + RECORDS_MAX * RECORD_HEAD_BYTES
const NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/

/** The message at the begin of `bytes`; undefined while it is not all there. Throws `ARIES_E_BAD_REQUEST`. */
export function parseClientHello(bytes: Buffer): ClientHello | undefined {
  const message = messageOf(bytes)
  return message && parseMessage(message)
}

/** The handshake message, put together from its records. */
function messageOf(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  let have = 0
  let need = 4
  let at = 0
  for (let records = 0; have < need; records++) {
    if (records === RECORDS_MAX) throw fault('it is in too many records')
    if (at < bytes.length && bytes[at] !== HANDSHAKE) throw fault('it is no TLS handshake')
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) throw fault('it is of no version of TLS')
    if (at + RECORD_HEAD_BYTES > bytes.length) return undefined
    const length = bytes.readUInt16BE(at + 3)
    if (length === 0 || length > RECORD_BYTES_MAX) throw fault('a record has a wrong length')
    const begin = at + RECORD_HEAD_BYTES
    const part = bytes.subarray(begin, begin + length)
    if (have === 0 && part.length > 0 && part[0] !== CLIENT_HELLO) {
      throw fault('it is no ClientHello')
    }
    parts.push(part)
    have += part.length
    at = begin + length
    if (have >= 4 && need === 4) {
      const head = parts.length === 1 ? part : Buffer.concat(parts)
      need = 4 + head.readUIntBE(1, 3)
      if (need > HELLO_BYTES_MAX + 4) throw fault('it is too long')
    }
    if (have < need && at > bytes.length) return undefined
  }
  const message = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  if (message.length > need) throw fault('something else follows in its record')
  return message.subarray(4)
}

function parseMessage(message: Buffer): ClientHello {
  const reader = new Reader(message)
  if (reader.uint(1) !== 3) throw fault('it is of no version of TLS')
  reader.take(1 + 32)
  const sessionId = reader.vector(1)
  if (sessionId.length > 32) throw fault('its session is too long')
  const ciphers = reader.vector(2)
  if (ciphers.length === 0 || ciphers.length % 2 !== 0) throw fault('its ciphers are malformed')
  if (reader.vector(1).length === 0) throw fault('its compression is malformed')
  let serverName: string | undefined
  let alpn: readonly string[] = []
  if (reader.isOver) return { serverName, alpn }
  const extensions = new Reader(reader.vector(2))
  reader.end()
  const seen = new Set<number>()
  while (!extensions.isOver) {
    const type = extensions.uint(2)
    const body = extensions.vector(2)
    if (seen.has(type)) throw fault('an extension comes twice')
    seen.add(type)
    if (type === EXTENSION_SERVER_NAME) serverName = serverNameOf(body)
    else if (type === EXTENSION_ALPN) alpn = protocolsOf(body)
  }
  return { serverName, alpn }
}

function serverNameOf(body: Buffer): string {
  const reader = new Reader(body)
  const list = new Reader(reader.vector(2))
  reader.end()
  const type = list.uint(1)
  const name = list.vector(2).toString('latin1').toLowerCase()
  list.end()
  if (type !== 0 || !NAME.test(name)) throw fault('its server name is malformed')
  return name.replace(/\.$/, '')
}

function protocolsOf(body: Buffer): string[] {
  const reader = new Reader(body)
  const list = new Reader(reader.vector(2))
  reader.end()
  const protocols: string[] = []
  while (!list.isOver) {
    const protocol = list.vector(1)
    if (protocol.length === 0) throw fault('a protocol is empty')
    protocols.push(protocol.toString('latin1'))
  }
  if (protocols.length === 0) throw fault('it offers no protocol')
  return protocols
}

/** Reads numbers and vectors, and never past the end. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isOver(): boolean {
    return this.#at === this.#bytes.length
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw fault('it ends too early')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  uint(size: number): number {
    return this.take(size).readUIntBE(0, size)
  }

  /** Bytes behind their length, a number of `size` bytes. */
  vector(size: number): Buffer {
    return this.take(this.uint(size))
  }

  end(): void {
    if (!this.isOver) throw fault('it has bytes left over')
  }
}

function fault(what: string): AriesError {
  return new AriesError('ARIES_E_BAD_REQUEST', `not a ClientHello: ${what}`)
}
