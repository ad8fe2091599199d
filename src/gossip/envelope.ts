import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { crc32 } from 'node:zlib'
import { isMalformed, Reader, Writer } from './bytes.ts'
import { DATAGRAM_BYTES_MAX } from './presets.ts'
import { ReplayWindow } from './replay-window.ts'

const SEALED = 0xa5
const PLAIN = 0xa4
const TAG_BYTES = 16
const CRC_BYTES = 4
const HEADER_BYTES_MAX = 1 + 1 + 32 + 6 + 6 + 6
const CIPHER = 'aes-256-gcm'

/** Room that the envelope leaves for a payload, whatever the ids are. */
export const PAYLOAD_BYTES_MAX = DATAGRAM_BYTES_MAX - HEADER_BYTES_MAX - TAG_BYTES

export interface Opened {
  /** The life of the sender. */
  readonly boot: number
  /** It was written for this life of ours, and not by a life of the sender that is over. */
  readonly current: boolean
  readonly payload: Buffer
}

interface Header {
  readonly kind: number
  readonly from: string
  readonly boot: number
  readonly toBoot: number
  readonly counter: number
  readonly bytes: Buffer
}

interface Sender {
  readonly boot: number
  readonly key: KeyObject | undefined
  readonly window: ReplayWindow
}

export interface EnvelopeInit {
  readonly selfId: string
  readonly cluster: string
  /** Empty: datagrams carry a checksum only. */
  readonly key: string
  readonly boot: number
}

/**
 * What is around a payload on its way: `kind, id and boot of the sender, boot of the receiver,
 * counter | payload | tag`. With a key it is AES-256-GCM under a key of the sender's boot (HKDF),
 * the counter as nonce, so no nonce comes twice; header, cluster and receiver are authenticated.
 *
 * A datagram counts only when it names the present boot of its receiver and a counter that is new
 * within the sender's: nothing recorded before can be played again, to nobody else either, and
 * nothing needs to be kept on disk for it. Who does not know a boot yet is answered with ours.
 */
export class Envelope {
  readonly #selfId: string
  readonly #cluster: string
  readonly #clusterKey: string
  readonly #writer = new Writer(HEADER_BYTES_MAX)
  readonly #senders = new Map<string, Sender>()
  #boot: number
  #key: KeyObject | undefined
  #counter = 0

  constructor(init: EnvelopeInit) {
    this.#selfId = init.selfId
    this.#cluster = init.cluster
    this.#clusterKey = init.key
    this.#boot = init.boot
    this.#key = this.#deriveKey(init.selfId, init.boot)
  }

  /** Begins another life: everything written for the old one is void. */
  setBoot(boot: number): void {
    this.#boot = boot
    this.#key = this.#deriveKey(this.#selfId, boot)
    this.#counter = 0
    this.#senders.clear()
  }

  forget(id: string): void {
    this.#senders.delete(id)
  }

  seal(to: string, toBoot: number, payload: Buffer): Buffer {
    const writer = this.#writer
    const counter = ++this.#counter
    writer.begin(HEADER_BYTES_MAX)
    writer.u8(this.#key ? SEALED : PLAIN)
    writer.id(this.#selfId)
    writer.u48(this.#boot)
    writer.u48(toBoot)
    writer.u48(counter)
    const header = writer.bytes()
    const bound = this.#bound(header, to)
    if (!this.#key) return Buffer.concat([header, payload, checksum(bound, payload)])
    const cipher = createCipheriv(CIPHER, this.#key, nonce(counter)).setAAD(bound)
    return Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()])
  }

  /** What `from` sent, or undefined when it is not from it, not for us, damaged, or a replay. */
  open(datagram: Buffer, from: string): Opened | undefined {
    const header = readHeader(datagram)
    if (header?.from !== from || header.kind !== (this.#key ? SEALED : PLAIN)) return undefined
    const known = this.#senders.get(from)
    const sender = known?.boot === header.boot ? known : this.#newSender(header)
    const payload = this.#openBody(header, datagram.subarray(header.bytes.length), sender.key)
    if (!payload) return undefined
    const { boot } = header
    const current = header.toBoot === this.#boot && (known === undefined || boot >= known.boot)
    if (!current) return { boot, current, payload }
    if (!sender.window.accept(header.counter)) return undefined
    this.#senders.set(from, sender)
    return { boot, current, payload }
  }

  #newSender(header: Header): Sender {
    const key = this.#deriveKey(header.from, header.boot)
    return { boot: header.boot, key, window: new ReplayWindow() }
  }

  #openBody(header: Header, body: Buffer, key: KeyObject | undefined): Buffer | undefined {
    const bound = this.#bound(header.bytes, this.#selfId)
    const bodyBytes = body.length - (key ? TAG_BYTES : CRC_BYTES)
    if (bodyBytes < 0) return undefined
    const content = body.subarray(0, bodyBytes)
    const tag = body.subarray(bodyBytes)
    if (!key) return tag.equals(checksum(bound, content)) ? content : undefined
    const decipher = createDecipheriv(CIPHER, key, nonce(header.counter), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(bound).setAuthTag(tag)
    const payload = decipher.update(content)
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return payload
  }

  /** What is authenticated besides the payload. The epoch of the map is not: maps change. */
  #bound(header: Buffer, to: string): Buffer {
    return Buffer.concat([header, Buffer.from(`${this.#cluster}\0${to}`, 'latin1')])
  }

  #deriveKey(id: string, boot: number): KeyObject | undefined {
    if (this.#clusterKey === '') return undefined
    const info = `aries gossip ${id} ${boot}`
    const bits = hkdfSync('sha256', this.#clusterKey, this.#cluster, info, 32)
    return createSecretKey(Buffer.from(bits))
  }
}

function readHeader(datagram: Buffer): Header | undefined {
  if (datagram.length > DATAGRAM_BYTES_MAX) return undefined
  const reader = new Reader(datagram)
  try {
    const kind = reader.u8()
    const from = reader.id()
    const boot = reader.u48()
    const toBoot = reader.u48()
    const counter = reader.u48()
    return { kind, from, boot, toBoot, counter, bytes: datagram.subarray(0, reader.at) }
  } catch (thrown) {
    if (isMalformed(thrown)) return undefined
    throw thrown
  }
}

function nonce(counter: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUIntBE(counter, 6, 6)
  return bytes
}

function checksum(bound: Buffer, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(CRC_BYTES)
  bytes.writeUInt32BE(crc32(payload, crc32(bound)))
  return bytes
}
