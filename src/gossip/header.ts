import { isMalformed, Reader, type Writer } from './bytes.ts'
import { DATAGRAM_BYTES_MAX } from './presets.ts'

export const KEY_ID_BYTES = 4
export const MAP_HASH_BYTES = 8

export const KIND = { plain: 0xa4, sealed: 0xa5 } as const

/** Most bytes of a header: kind, key, id, boot, salt, boot of the receiver, counter, map. */
export const HEADER_BYTES_MAX = 1 + KEY_ID_BYTES + 33 + 6 + 4 + 6 + 6 + 8 + MAP_HASH_BYTES

/** Which map a member holds. */
export interface MapVersion {
  readonly mapEpoch: number
  /** First 8 bytes of the map's hash, in hex. */
  readonly mapHash: string
}

/** What everyone can read of a datagram, and nobody can change. */
export interface Header extends MapVersion {
  readonly kind: number
  /** Id of the key that it is sealed with, in hex; zeros when it is not sealed. */
  readonly keyId: string
  readonly from: string
  /** The life of the sender, and chance that it drew for it. */
  readonly boot: number
  readonly salt: number
  /** The life of the receiver that it is meant for; 0 when the sender knows of none. */
  readonly toBoot: number
  readonly counter: number
}

export function writeHeader(writer: Writer, header: Header): Buffer {
  writer.begin(HEADER_BYTES_MAX)
  writer.u8(header.kind)
  writer.hex(header.keyId)
  writer.id(header.from)
  writer.u48(header.boot)
  writer.u32(header.salt)
  writer.u48(header.toBoot)
  writer.u48(header.counter)
  writer.varint(header.mapEpoch)
  writer.hex(header.mapHash)
  return writer.bytes()
}

/** Sets what differs between the datagrams of one life, in a header of `from`. */
export function stampHeader(datagram: Buffer, from: string, toBoot: number, counter: number): void {
  const at = 1 + KEY_ID_BYTES + 1 + from.length + 6 + 4
  datagram.writeUIntBE(toBoot, at, 6)
  datagram.writeUIntBE(counter, at + 6, 6)
}

/** The header of `datagram` and how long it is; undefined when it has none. */
export function readHeader(datagram: Buffer): { header: Header; length: number } | undefined {
  if (datagram.length > DATAGRAM_BYTES_MAX) return undefined
  const reader = new Reader(datagram)
  try {
    const header = {
      kind: reader.u8(),
      keyId: reader.hex(KEY_ID_BYTES),
      from: reader.id(),
      boot: reader.u48(),
      salt: reader.u32(),
      toBoot: reader.u48(),
      counter: reader.u48(),
      mapEpoch: reader.varint(),
      mapHash: reader.hex(MAP_HASH_BYTES),
    }
    return { header, length: reader.at }
  } catch (thrown) {
    if (isMalformed(thrown)) return undefined
    throw thrown
  }
}
