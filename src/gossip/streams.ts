import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../world.ts'
import { DATAGRAM_BYTES_MAX } from './presets.ts'

/** Most connections in each direction at a time; more are not opened, or closed at once. */
const CONNECTIONS_MAX = 64
/** From the first packet of a connection to its last. Longer than any preset waits is of no use. */
const LIFE_MS = 1_000
const LENGTH_BYTES = 2

export interface StreamsInit {
  /** Whether somebody at this address may be a member: others are cut off at once. */
  readonly mayAsk: (address: string) => boolean
  /** A frame that came in; `reply` sends one back. */
  readonly onFrame: (bytes: Buffer, address: string, reply: (bytes: Buffer) => void) => void
  /** The answer of a member that was asked. */
  readonly onAnswer: (bytes: Buffer, id: string) => void
  /** Nobody listens at the member's port. */
  readonly onRefused: (id: string) => void
}

/**
 * Probes over TCP, for networks that lose datagrams: at the gossip port, one sealed packet each way
 * and connection, behind its length. A connection that is refused is proof that the process is gone,
 * which silence never is.
 */
export class Streams {
  readonly #clock: Clock
  readonly #init: StreamsInit
  readonly #open = new Set<Socket>()
  readonly #asked = new Set<Socket>()
  #server: Server | undefined

  constructor(components: { clock: Clock }, init: StreamsInit) {
    this.#clock = components.clock
    this.#init = init
  }

  /** Rejects with the error of the system when the address is taken. */
  async listen(host: string, port: number): Promise<void> {
    const server = createServer((socket) => this.#serve(socket))
    server.maxConnections = CONNECTIONS_MAX
    server.listen(port, host)
    await once(server, 'listening')
    server.on('error', () => undefined)
    this.#server = server
  }

  async close(): Promise<void> {
    for (const socket of [...this.#open, ...this.#asked]) socket.destroy()
    const server = this.#server
    this.#server = undefined
    if (!server) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }

  ask(id: string, address: string, port: number, bytes: Buffer): void {
    if (!this.#server || this.#asked.size >= CONNECTIONS_MAX) return
    // From the address that the map has of us, whichever the system would take.
    const { address: localAddress } = this.#server.address() as AddressInfo
    const socket = connect({ port, host: address, localAddress })
    this.#keep(socket, this.#asked)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' && this.#server) this.#init.onRefused(id)
    })
    readFrame(socket, (answer) => {
      socket.destroy()
      this.#init.onAnswer(answer, id)
    })
    socket.write(frame(bytes))
  }

  #serve(socket: Socket): void {
    socket.on('error', () => undefined)
    const address = socket.remoteAddress
    if (address === undefined || !this.#init.mayAsk(address)) {
      socket.destroy()
      return
    }
    this.#keep(socket, this.#open)
    readFrame(socket, (bytes) => {
      this.#init.onFrame(bytes, address, (answer) => socket.end(frame(answer)))
    })
  }

  #keep(socket: Socket, among: Set<Socket>): void {
    among.add(socket)
    const timer = this.#clock.after(LIFE_MS, () => socket.destroy())
    socket.once('close', () => {
      timer.cancel()
      among.delete(socket)
    })
    socket.unref()
  }
}

function frame(bytes: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Calls `take` with the one frame that `socket` is to bring; what brings another is cut off. */
function readFrame(socket: Socket, take: (bytes: Buffer) => void): void {
  let read = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    read = Buffer.concat([read, chunk])
    const length = read.length < LENGTH_BYTES ? 0 : read.readUInt16BE()
    if (length > DATAGRAM_BYTES_MAX || read.length > LENGTH_BYTES + DATAGRAM_BYTES_MAX) {
      socket.destroy()
    } else if (length > 0 && read.length >= LENGTH_BYTES + length) {
      socket.removeAllListeners('data')
      socket.resume()
      take(read.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
    }
  })
}
