import { createCipheriv, createDecipheriv, type KeyObject, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Writer } from './bytes.ts'
import {
  HEADER_BYTES_MAX,
  type Header,
  KEY_ID_BYTES,
  KIND,
  type MapVersion,
  readHeader,
  writeHeader,
} from './header.ts'
import { DATAGRAM_BYTES_MAX } from './presets.ts'
import { ReplayWindow } from './replay-window.ts'
import { type Life, SealingKeys } from './sealing-keys.ts'

const TAG_BYTES = 16
const CRC_BYTES = 4
const CIPHER = 'aes-256-gcm'
const NO_KEY = '00'.repeat(KEY_ID_BYTES)

/** Room that the envelope leaves for a payload, whatever the ids are. */
export const PAYLOAD_BYTES_MAX = DATAGRAM_BYTES_MAX - HEADER_BYTES_MAX - TAG_BYTES

export interface Opened extends MapVersion {
  /** The life of the sender. */
  readonly boot: number
  /** It was written for this life of ours, and not by a life of the sender that is over. */
  readonly current: boolean
  /** Id of the key that it was sealed with; empty when it was not. */
  readonly keyId: string
  /** Most bytes of a payload in a datagram of ours that is no larger than this one. */
  readonly answerBytesMax: number
  readonly payload: Buffer
}

/** A sender of whom something current was opened. */
interface Sender {
  readonly life: Life
  readonly keys: Map<string, KeyObject>
  readonly window: ReplayWindow
}

export interface EnvelopeInit {
  readonly selfId: string
  readonly cluster: string
  /** The first seals, all open. None: datagrams carry a checksum only. */
  readonly keys: readonly string[]
  readonly boot: number
  readonly map: MapVersion
}

/**
 * What is around a payload on its way: `header | payload | tag`. With a key it is AES-256-GCM under
 * a key of the sender's life (HKDF), the counter as nonce, so no nonce comes twice. Authenticated
 * besides the payload are the header, the cluster and the receiver. The header names the map of the
 * sender, which differs between members while a map changes, so no epoch is a reason to refuse.
 *
 * A datagram counts only when it names the present boot of its receiver and a counter that is new
 * within the sender's: nothing recorded before can be played again, to nobody else either, and
 * nothing needs to be kept on disk for it. Who does not know a boot yet is answered with ours.
 */
export class Envelope {
  readonly #cluster: string
  readonly #keys: SealingKeys
  readonly #writer = new Writer(HEADER_BYTES_MAX)
  readonly #senders = new Map<string, Sender>()
  #map: MapVersion
  #self: Life
  #sealing: KeyObject | undefined
  #counter = 0

  constructor(init: EnvelopeInit) {
    this.#cluster = init.cluster
    this.#keys = new SealingKeys(init)
    this.#map = init.map
    this.#self = newLife(init.selfId, init.boot)
    this.#sealing = this.#sealingKey()
  }

  /** Begins another life: everything written for the old one is void. */
  setBoot(boot: number): void {
    this.#self = newLife(this.#self.id, boot)
    this.#sealing = this.#sealingKey()
    this.#counter = 0
    this.#senders.clear()
  }

  setMap(map: MapVersion): void {
    this.#map = map
  }

  /** Seals with the first from now on, and opens what is sealed with any. */
  setKeys(keys: readonly string[]): void {
    this.#keys.set(keys)
    this.#sealing = this.#sealingKey()
    const ids = new Set(this.#keys.ids)
    for (const sender of this.#senders.values()) {
      for (const id of sender.keys.keys()) if (!ids.has(id)) sender.keys.delete(id)
    }
  }

  forget(id: string): void {
    this.#senders.delete(id)
  }

  seal(to: string, toBoot: number, payload: Buffer): Buffer {
    const counter = ++this.#counter
    const header = writeHeader(this.#writer, this.#header(toBoot, counter))
    const bound = this.#bound(header, to)
    if (!this.#sealing) return Buffer.concat([header, payload, checksum(bound, payload)])
    const cipher = createCipheriv(CIPHER, this.#sealing, nonce(counter)).setAAD(bound)
    return Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()])
  }

  /** What `from` sent, or undefined when it is not from it, not for us, damaged, or a replay. */
  open(datagram: Buffer, from: string): Opened | undefined {
    const read = readHeader(datagram)
    if (!read || read.header.from !== from) return undefined
    const { header } = read
    if (header.kind !== (this.#sealing ? KIND.sealed : KIND.plain)) return undefined
    const known = this.#senders.get(from)
    const sender = known && isOf(known.life, header) ? known : newSender(header)
    const payload = this.#openBody(read, datagram, sender)
    if (!payload) return undefined
    const { boot, mapEpoch, mapHash } = header
    const newer = known === undefined || sender === known || boot > known.life.boot
    const current = header.toBoot === this.#self.boot && newer
    if (current && !sender.window.accept(header.counter)) return undefined
    if (current) this.#senders.set(from, sender)
    const keyId = this.#sealing ? header.keyId : ''
    const answerBytesMax = datagram.length - this.#overheadBytes()
    return { boot, current, keyId, mapEpoch, mapHash, answerBytesMax, payload }
  }

  #openBody(
    { header, bytes }: { header: Header; bytes: Buffer },
    datagram: Buffer,
    sender: Sender,
  ): Buffer | undefined {
    const sealed = header.kind === KIND.sealed
    const key = sealed ? this.#keyOf(sender, header.keyId) : undefined
    const body = datagram.subarray(bytes.length)
    const bodyBytes = body.length - (sealed ? TAG_BYTES : CRC_BYTES)
    if (bodyBytes < 0 || (sealed && !key)) return undefined
    const bound = this.#bound(bytes, this.#self.id)
    const content = body.subarray(0, bodyBytes)
    const tag = body.subarray(bodyBytes)
    if (!key) return tag.equals(checksum(bound, content)) ? content : undefined
    return decipher(key, nonce(header.counter), { bound, content, tag })
  }

  #keyOf(sender: Sender, keyId: string): KeyObject | undefined {
    const known = sender.keys.get(keyId)
    if (known) return known
    const key = this.#keys.derive(keyId, sender.life)
    if (key) sender.keys.set(keyId, key)
    return key
  }

  #sealingKey(): KeyObject | undefined {
    const { primary } = this.#keys
    return primary === undefined ? undefined : this.#keys.derive(primary, this.#self)
  }

  #header(toBoot: number, counter: number): Header {
    const { id: from, boot, salt } = this.#self
    const kind = this.#sealing ? KIND.sealed : KIND.plain
    const keyId = this.#keys.primary ?? NO_KEY
    return { kind, keyId, from, boot, salt, toBoot, counter, ...this.#map }
  }

  /** Bytes that every datagram of ours has around its payload. */
  #overheadBytes(): number {
    const header = writeHeader(this.#writer, this.#header(0, 0))
    return header.length + (this.#sealing ? TAG_BYTES : CRC_BYTES)
  }

  #bound(header: Buffer, to: string): Buffer {
    return Buffer.concat([header, Buffer.from(`${this.#cluster}\0${to}`, 'latin1')])
  }
}

function newLife(id: string, boot: number): Life {
  return { id, boot, salt: randomInt(2 ** 32) }
}

function newSender({ from, boot, salt }: Header): Sender {
  return { life: { id: from, boot, salt }, keys: new Map(), window: new ReplayWindow() }
}

function isOf(life: Life, header: Header): boolean {
  return life.boot === header.boot && life.salt === header.salt
}

function decipher(
  key: KeyObject,
  iv: Buffer,
  { bound, content, tag }: { bound: Buffer; content: Buffer; tag: Buffer },
): Buffer | undefined {
  const opener = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES })
  opener.setAAD(bound).setAuthTag(tag)
  const payload = opener.update(content)
  try {
    opener.final()
  } catch {
    return undefined
  }
  return payload
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
