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
  stampHeader,
  writeHeader,
} from './header.ts'
import { DATAGRAM_BYTES_MAX } from './presets.ts'
import { ReplayWindow } from './replay-window.ts'
import { type Life, SealingKeys } from './sealing-keys.ts'

const TAG_BYTES = 16
const CRC_BYTES = 4
const CIPHER = 'aes-256-gcm'
/** Cluster and receiver, and what is between them. */
const BOUND_BYTES_MAX = 2 * 32 + 1
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
  readonly #senders = new Map<string, Sender>()
  /** What is authenticated besides header and payload, by receiver. */
  readonly #bounds = new Map<string, Buffer>()
  /** What is authenticated or summed, in a row. */
  readonly #scratch = Buffer.allocUnsafe(BOUND_BYTES_MAX + DATAGRAM_BYTES_MAX)
  #map: MapVersion
  #self: Life
  #sealing: KeyObject | undefined
  /** As it is now, but for the boot of the receiver and the counter. */
  #header: Buffer
  #counter = 0

  constructor(init: EnvelopeInit) {
    this.#cluster = init.cluster
    this.#keys = new SealingKeys(init)
    this.#map = init.map
    this.#self = newLife(init.selfId, init.boot)
    this.#sealing = this.#sealingKey()
    this.#header = this.#newHeader()
  }

  /** Begins another life: everything written for the old one is void. */
  setBoot(boot: number): void {
    this.#self = newLife(this.#self.id, boot)
    this.#sealing = this.#sealingKey()
    this.#header = this.#newHeader()
    this.#counter = 0
    this.#senders.clear()
  }

  setMap(map: MapVersion): void {
    this.#map = map
    this.#header = this.#newHeader()
  }

  /** Seals with the first from now on, and opens what is sealed with any. */
  setKeys(keys: readonly string[]): void {
    this.#keys.set(keys)
    this.#sealing = this.#sealingKey()
    this.#header = this.#newHeader()
    const ids = new Set(this.#keys.ids)
    for (const sender of this.#senders.values()) {
      for (const id of sender.keys.keys()) if (!ids.has(id)) sender.keys.delete(id)
    }
  }

  forget(id: string): void {
    this.#senders.delete(id)
    this.#bounds.delete(id)
  }

  seal(to: string, toBoot: number, payload: Buffer): Buffer {
    const counter = ++this.#counter
    const header = this.#header
    const bodyAt = header.length
    const tagAt = bodyAt + payload.length
    const datagram = Buffer.allocUnsafe(tagAt + (this.#sealing ? TAG_BYTES : CRC_BYTES))
    header.copy(datagram)
    stampHeader(datagram, this.#self.id, toBoot, counter)
    if (!this.#sealing) {
      payload.copy(datagram, bodyAt)
      datagram.writeUInt32BE(this.#checksum(datagram, tagAt, to), tagAt)
      return datagram
    }
    const cipher = createCipheriv(CIPHER, this.#sealing, nonce(counter))
    cipher.setAAD(this.#aad(datagram, bodyAt, to))
    datagram.set(cipher.update(payload), bodyAt)
    cipher.final()
    datagram.set(cipher.getAuthTag(), tagAt)
    return datagram
  }

  /** What `from` sent, or undefined when it is not from it, not for us, damaged, or a replay. */
  open(datagram: Buffer, from: string): Opened | undefined {
    const read = readHeader(datagram)
    if (!read || read.header.from !== from) return undefined
    const { header } = read
    if (header.kind !== (this.#sealing ? KIND.sealed : KIND.plain)) return undefined
    const known = this.#senders.get(from)
    const sender = known && isOf(known.life, header) ? known : newSender(header)
    const payload = this.#openBody(header, read.length, datagram, sender)
    if (!payload) return undefined
    const { boot, mapEpoch, mapHash } = header
    const newer = known === undefined || sender === known || boot > known.life.boot
    const current = header.toBoot === this.#self.boot && newer
    if (current && !sender.window.accept(header.counter)) return undefined
    if (current) this.#senders.set(from, sender)
    const keyId = this.#sealing ? header.keyId : ''
    const answerBytesMax = datagram.length - this.#overheadBytes
    return { boot, current, keyId, mapEpoch, mapHash, answerBytesMax, payload }
  }

  #openBody(
    header: Header,
    headerBytes: number,
    datagram: Buffer,
    sender: Sender,
  ): Buffer | undefined {
    const sealed = header.kind === KIND.sealed
    const tagAt = datagram.length - (sealed ? TAG_BYTES : CRC_BYTES)
    if (tagAt < headerBytes) return undefined
    const content = datagram.subarray(headerBytes, tagAt)
    const selfId = this.#self.id
    if (!sealed) {
      const isWhole = datagram.readUInt32BE(tagAt) === this.#checksum(datagram, tagAt, selfId)
      return isWhole ? content : undefined
    }
    const key = this.#keyOf(sender, header.keyId)
    if (!key) return undefined
    const aad = this.#aad(datagram, headerBytes, selfId)
    return decipher(key, nonce(header.counter), { aad, content, tag: datagram.subarray(tagAt) })
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

  #newHeader(): Buffer {
    const { id: from, boot, salt } = this.#self
    const kind = this.#sealing ? KIND.sealed : KIND.plain
    const keyId = this.#keys.primary ?? NO_KEY
    const header = { kind, keyId, from, boot, salt, toBoot: 0, counter: 0, ...this.#map }
    return writeHeader(new Writer(HEADER_BYTES_MAX), header)
  }

  /** Bytes that every datagram of ours has around its payload. */
  get #overheadBytes(): number {
    return this.#header.length + (this.#sealing ? TAG_BYTES : CRC_BYTES)
  }

  /** Of the first `length` bytes of `datagram`, and what else is authenticated. */
  #checksum(datagram: Buffer, length: number, to: string): number {
    const bound = this.#bound(to)
    bound.copy(this.#scratch)
    datagram.copy(this.#scratch, bound.length, 0, length)
    return crc32(this.#scratch.subarray(0, bound.length + length))
  }

  /** The header and what else is authenticated; valid until the next call. */
  #aad(datagram: Buffer, headerBytes: number, to: string): Buffer {
    const bound = this.#bound(to)
    datagram.copy(this.#scratch, 0, 0, headerBytes)
    bound.copy(this.#scratch, headerBytes)
    return this.#scratch.subarray(0, headerBytes + bound.length)
  }

  #bound(to: string): Buffer {
    const known = this.#bounds.get(to)
    if (known) return known
    const bound = Buffer.from(`${this.#cluster}\0${to}`, 'latin1')
    this.#bounds.set(to, bound)
    return bound
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
  { aad, content, tag }: { aad: Buffer; content: Buffer; tag: Buffer },
): Buffer | undefined {
  const opener = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES })
  opener.setAAD(aad).setAuthTag(tag)
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
