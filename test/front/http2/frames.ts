/** HTTP/2 by hand, so that a test can send what no library would. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { until } from '../../helpers/until.ts'

export const TYPE = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const

export const END_STREAM = 1
export const END_HEADERS = 4

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
) {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** HPACK, literals without Huffman and without indexing (RFC 7541 §6.2.2). */
export function hpack(lines: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(lines.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes])
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128)
  return Buffer.concat([Buffer.from([...length, rest]), bytes])
}

/** A request's pseudo-headers. */
export function pseudo(parts: Record<string, string> = {}): [string, string][] {
  return Object.entries({
    ':method': 'GET',
    ':scheme': 'http',
    ':authority': 'a',
    ':path': '/',
    ...parts,
  })
}

/** A client that keeps the frames that it gets. */
export class RawClient {
  readonly frames: Frame[] = []
  readonly socket: Socket
  closed = false
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
  }

  send(...frames: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames))
  }

  request(stream: number, lines: readonly (readonly [string, string])[], flags = END_STREAM): void {
    this.send(frame(TYPE.headers, flags | END_HEADERS, stream, hpack(lines)))
  }

  of(type: number, stream?: number): Frame[] {
    return this.frames.filter((one) => one.type === type && (stream ?? one.stream) === one.stream)
  }

  /** The error code of the RST_STREAM of a stream, or of the GOAWAY (stream 0). */
  async code(stream: number): Promise<number> {
    const type = stream === 0 ? TYPE.goaway : TYPE.reset
    await until(`end of stream ${stream}`, () => this.of(type, stream).length > 0)
    return this.of(type, stream)[0]!.payload.readUInt32BE(stream === 0 ? 4 : 0)
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (;;) {
      const length = this.#rest.length < 9 ? Number.POSITIVE_INFINITY : this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < 9 + length) return
      this.frames.push({
        type: this.#rest[3]!,
        flags: this.#rest[4]!,
        stream: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, 9 + length),
      })
      this.#rest = this.#rest.subarray(9 + length)
    }
  }
}

/** `settings`: identifiers and values by turns. */
export async function dialRaw(t: Test, port: number, settings: number[] = []): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const client = new RawClient(socket)
  const payload = Buffer.alloc(settings.length * 3)
  for (let i = 0; i < settings.length; i += 2) {
    payload.writeUInt16BE(settings[i]!, i * 3)
    payload.writeUInt32BE(settings[i + 1]!, i * 3 + 2)
  }
  client.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(TYPE.settings, 0, 0, payload))
  return client
}
