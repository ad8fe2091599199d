/**
 * Reading into one buffer. A socket of Node's has 64 KiB of its own for each read, however little
 * comes, and passes it through the machinery of a stream: with small requests that is a good part of
 * what forwarding costs. The option `onread` avoids both, but only for sockets that connect; those
 * that a server accepts are given here what the option sets.
 */
import { Socket } from 'node:net'

/** Of the thread; what has come is copied out of it at once. */
const BUFFER = Buffer.allocUnsafeSlow(65_536)

type Reader = (chunk: Buffer) => void

/** Takes what is read, while it is set; else it comes as `data`. */
const READER: unique symbol = Symbol('reader')

type Read = Socket & { [READER]?: Reader | undefined }

/** The `onread` of a socket that is to be connected. */
export function onread(socket: () => Socket): { buffer: Buffer; callback: (n: number) => boolean } {
  return { buffer: BUFFER, callback: (bytes) => received(socket(), bytes) }
}

/** What `onread` sets in a socket; undefined when this Node does it in another way. */
const KEYS = keysOf(new Socket({ onread: { buffer: BUFFER, callback: () => true } }))

interface Keys {
  readonly buffer: symbol
  readonly callback: symbol
  readonly generator: symbol
}

function keysOf(socket: object): Keys | undefined {
  const symbols = Object.getOwnPropertySymbols(socket)
  const find = (name: string): symbol | undefined =>
    symbols.find(({ description }) => description === name)
  const buffer = find('kBuffer')
  const callback = find('kBufferCb')
  const generator = find('kBufferGen')
  if (buffer === undefined || callback === undefined || generator === undefined) return undefined
  const values = socket as Record<symbol, unknown>
  return values[buffer] === BUFFER ? { buffer, callback, generator } : undefined
}

interface Handle {
  useUserBuffer?(buffer: Buffer): void
}

/**
 * From now on hands what `socket` reads to `reader`, instead of `data` events; false, and nothing is
 * changed, when it is not a plain TCP socket of which nothing has been read.
 */
export function setReader(socket: Socket, reader: Reader): boolean {
  const read: Read = socket
  const values = socket as unknown as Record<symbol, unknown>
  if (KEYS === undefined) return false
  if (values[KEYS.buffer] !== BUFFER) {
    if (Object.getPrototypeOf(socket) !== Socket.prototype) return false
    const handle = (socket as unknown as { _handle?: Handle | null })._handle
    if (handle?.useUserBuffer === undefined || socket.readableLength > 0) return false
    values[KEYS.buffer] = BUFFER
    values[KEYS.callback] = (bytes: number) => received(socket, bytes)
    values[KEYS.generator] = null
    handle.useUserBuffer(BUFFER)
  }
  read[READER] = reader
  return true
}

/** What is read comes as `data` again. */
export function removeReader(socket: Socket): void {
  const read: Read = socket
  read[READER] = undefined
}

/** Whether more is wanted. */
function received(socket: Socket, bytes: number): boolean {
  const reader = (socket as Read)[READER]
  const chunk = Buffer.from(BUFFER.subarray(0, bytes))
  if (reader === undefined) return socket.push(chunk)
  reader(chunk)
  return true
}
