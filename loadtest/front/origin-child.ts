/**
 * The server behind the proxies of `bench:front`, as cheap as can be, for it shares a core with the
 * load: HTTP with bodies made beforehand, WebSocket echo and, at another port, an echo of bytes.
 */
import { createHash } from 'node:crypto'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { SMALL_BYTES } from './cases.ts'

const ANSWERS: readonly (readonly [string, Buffer])[] = [
  ['/small', answer(SMALL_BYTES)],
  ['/large', answer(65_536)],
  ['/huge', answer(1_048_576)],
  ['/upload', answer(SMALL_BYTES)],
]
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

function answer(bytes: number): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: ${bytes}\r\n\r\n`
  return Buffer.from(head + 'x'.repeat(bytes), 'latin1')
}

function serveHttp(socket: Socket): void {
  let bodyLeft = 0
  let isEcho = false
  let reply = ANSWERS[0]![1]
  let closes = false
  let pending: Buffer | undefined
  socket.on('error', () => socket.destroy())
  socket.on('data', (read) => {
    let chunk = read
    if (isEcho) {
      echoFrame(socket, chunk)
      return
    }
    if (bodyLeft > 0) bodyLeft -= chunk.length
    else {
      if (pending !== undefined) chunk = Buffer.concat([pending, chunk])
      const end = chunk.indexOf('\r\n\r\n')
      pending = end < 0 ? chunk : undefined
      if (end < 0) return
      const head = chunk.toString('latin1', 0, end).toLowerCase()
      if (head.includes('upgrade: websocket')) {
        isEcho = true
        const key = /\r\nsec-websocket-key: *(\S+)/i.exec(chunk.toString('latin1', 0, end))![1]!
        const accept = createHash('sha1')
          .update(key + WEBSOCKET_GUID)
          .digest('base64')
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        )
        return
      }
      reply = (ANSWERS.find(([path]) => head.startsWith(path, head.indexOf(' ') + 1)) ??
        ANSWERS[0]!)[1]
      closes = head.includes('\r\nconnection: close')
      const length = /\r\ncontent-length: *(\d+)/.exec(head)
      bodyLeft = Number(length?.[1] ?? 0) - (chunk.length - end - 4)
    }
    if (bodyLeft > 0) return
    socket.write(reply)
    if (closes) socket.end()
  })
}

/** A masked frame of a client, short and whole, comes back as a server's. */
function echoFrame(socket: Socket, frame: Buffer): void {
  const length = frame[1]! & 0x7f
  const echo = Buffer.allocUnsafe(2 + length)
  echo[0] = frame[0]!
  echo[1] = length
  for (let i = 0; i < length; i++) echo[2 + i] = frame[6 + i]! ^ frame[2 + (i & 3)]!
  socket.write(echo)
}

function serveEcho(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => socket.write(chunk))
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', 1_024, () => resolve((server.address() as AddressInfo).port))
  })
}

/** Two ports for two upstreams, so that those who balance have a choice to make. */
const http = [
  await listen(createServer({ noDelay: true }, serveHttp)),
  await listen(createServer({ noDelay: true }, serveHttp)),
]
const echo = [
  await listen(createServer({ noDelay: true }, serveEcho)),
  await listen(createServer({ noDelay: true }, serveEcho)),
]
process.send!({ http, echo })
process.on('disconnect', () => process.exit(0))
