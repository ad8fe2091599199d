import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** What a client of HTTP/2 begins with (RFC 9113 §3.4); no request of HTTP/1 has that method. */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
/** Bytes of it that decide. */
const DECIDING = 'PRI '.length

/** Whether both ends agreed on HTTP/2 in their TLS handshake. */
export function isHttp2(socket: Socket): boolean {
  return (socket as TLSSocket).alpnProtocol === 'h2'
}

/**
 * Looks at the first bytes of a fresh connection without taking them: `done` hears whether the client
 * speaks HTTP/2 without having asked (prior knowledge). Nothing for `timeoutMs`: it is cut.
 */
export function detectHttp2(
  socket: Socket,
  timeoutMs: number,
  done: (socket: Socket, isHttp2: boolean) => void,
): void {
  let seen: Buffer = Buffer.alloc(0)
  const gone = (): void => void socket.destroy()
  const look = (): void => {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    seen = Buffer.concat([seen, chunk])
    const begin = seen.toString('latin1', 0, PREFACE.length)
    const maybe = PREFACE.startsWith(begin)
    if (maybe && begin.length < DECIDING) return
    stop()
    socket.unshift(seen)
    done(socket, maybe)
  }
  const stop = (): void => {
    socket.off('readable', look).off('end', gone).off('error', gone).off('timeout', gone)
    socket.setTimeout(0)
  }
  socket.on('readable', look).on('end', gone).on('error', gone).on('timeout', gone)
  socket.setTimeout(timeoutMs)
}
