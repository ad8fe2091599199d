/**
 * Sessions: a client's WebSocket ends at the front and stays there; its messages travel to the
 * worker and back as frames over one connection per front shard and host (`Upgrade: aries-session`
 * on the host's port). Both directions are numbered per session, so that a session can change
 * hosts, when its worker moves, without a gap or a repetition.
 *
 * Wire: u32 big-endian length, then a msgpack array `[type, ...fields]`.
 *
 * A move: the source has sent every frame that it numbered, then sends MOVED; the front attaches
 * the session at the new owner and sends again what was not acknowledged; the target drops what it
 * has (it was carried in the FENCE) and sends what the front has not seen.
 */
import { Packr } from 'msgpackr'
import { isMsgpack } from './msgpack-check.ts'
import {
  bytes,
  checkShape,
  count,
  either,
  list,
  optional,
  owner,
  record,
  type Shapes,
  text,
  workerName,
} from './shapes.ts'
import type { OwnerAddress } from './wire.ts'

/** Longest frame that is read; a longer one ends the link. */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024

/** Longest message in a frame: the rest is for its other fields. */
export const MESSAGE_BYTES_MAX = FRAME_BYTES_MAX - 4_096

/** Unique in the cluster: front, shard, boot and a counter. */
export type SessionId = string

/** A raw connection of a client, as the front sees it. */
export interface TcpClient {
  readonly remoteAddress: string
  /** Of the listener. */
  readonly localPort: number
}

export type Frame =
  /** Front → host, first on a link. */
  | {
      readonly type: 'hello'
      readonly front: string
      readonly shard: number
      readonly boot: number
    }
  /** Front → host: a client wants a WebSocket with the worker. Answer: `accept` or `refuse`. */
  | {
      readonly type: 'open'
      readonly sid: SessionId
      readonly worker: string
      readonly url: string
      readonly headers: readonly (readonly [string, string])[]
      /** A raw connection; `url` and `headers` are empty. Its empty message ends a direction. */
      readonly tcp?: TcpClient
    }
  /** Front → host: the session goes on here. `seen`: number of the last outgoing message the front has. */
  | {
      readonly type: 'attach'
      readonly sid: SessionId
      readonly worker: string
      readonly seen: number
    }
  | { readonly type: 'accept'; readonly sid: SessionId; readonly protocol: string }
  /** Host → front: no such session here. With `owner`: try there. Without, for `attach`: it is lost. */
  | {
      readonly type: 'refuse'
      readonly sid: SessionId
      readonly status: number
      readonly reason: string
      readonly owner?: OwnerAddress
    }
  /** Both ways: message `n` (from 1) of that direction of the session. */
  | {
      readonly type: 'message'
      readonly sid: SessionId
      readonly n: number
      readonly data: string | Uint8Array
    }
  /** Both ways: every message up to `n` is applied (host: committed) or handed on (front). */
  | { readonly type: 'ack'; readonly sid: SessionId; readonly n: number }
  /** Both ways. The front's comes when the client has gone; the host's after the turn that closed it. */
  | {
      readonly type: 'close'
      readonly sid: SessionId
      readonly code: number
      readonly reason: string
    }
  /** Host → front, after the last message from here: attach these sessions there. */
  | {
      readonly type: 'moved'
      readonly sids: readonly SessionId[]
      readonly worker: string
      readonly owner: OwnerAddress
    }

const sid = text

const SHAPES: Shapes = {
  hello: { front: text, shard: count, boot: count },
  open: {
    sid,
    worker: workerName,
    url: text,
    headers: list((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(text)),
    tcp: optional(record({ remoteAddress: text, localPort: count })),
  },
  attach: { sid, worker: workerName, seen: count },
  accept: { sid, protocol: text },
  refuse: { sid, status: count, reason: text, owner: optional(owner) },
  message: { sid, n: count, data: either(text, bytes) },
  ack: { sid, n: count },
  close: { sid, code: count, reason: text },
  moved: { sids: list(sid), worker: workerName, owner },
}

/** Deeper than any frame. */
const DEPTH_MAX = 8

const packr = new Packr({ useRecords: false })

export function encodeFrame(frame: Frame): Buffer {
  const body = packr.pack(frame)
  const out = Buffer.allocUnsafe(4 + body.length)
  out.writeUInt32BE(body.length, 0)
  out.set(body, 4)
  return out
}

/** Splits a byte stream into frames. Throws on a frame that is too long or not one. */
export class FrameDecoder {
  #pending: Buffer = Buffer.alloc(0)
  readonly #bytesMax: number

  constructor(bytesMax = FRAME_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  push(chunk: Buffer): Frame[] {
    let buffer = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    const frames: Frame[] = []
    while (buffer.length >= 4) {
      const length = buffer.readUInt32BE(0)
      if (length > this.#bytesMax) throw new Error(`session frame of ${length} bytes`)
      if (buffer.length < 4 + length) break
      frames.push(decodeFrame(buffer.subarray(4, 4 + length)))
      buffer = buffer.subarray(4 + length)
    }
    this.#pending = buffer
    return frames
  }
}

function decodeFrame(body: Buffer): Frame {
  if (!isMsgpack(body, DEPTH_MAX)) throw new Error('session frame that is not MessagePack')
  const frame = packr.unpack(body) as Frame
  if (typeof frame?.type !== 'string') throw new Error('session frame without a type')
  checkShape(frame, SHAPES)
  return frame
}
