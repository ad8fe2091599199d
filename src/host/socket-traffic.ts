import type { Socket } from 'node:net'

/** Bytes that passed through sockets, from one look to the next. */
export class SocketTraffic {
  readonly #seen = new WeakMap<Socket, number>()
  /** Of all looks so far. */
  bytes = 0

  /** What passed through the socket since the last look at it, both ways. */
  since(socket: Socket): number {
    // What stands in for a socket (a stream of the simulator) does not count.
    const now = (socket.bytesRead ?? 0) + (socket.bytesWritten ?? 0)
    const bytes = now - (this.#seen.get(socket) ?? 0)
    this.#seen.set(socket, now)
    this.bytes += bytes
    return bytes
  }
}
