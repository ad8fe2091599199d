import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { encodeMessage, MessageDecoder } from '../../src/move/codec.ts'
import type { ToSource, ToTarget } from '../../src/move/messages.ts'

/** The target's end of a move that does what a test wants. */
export class FakeTarget {
  readonly heard: ToTarget['type'][] = []
  /** Made so far. */
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()

  constructor(react: (message: ToTarget, target: FakeTarget, socket: Duplex) => void) {
    // What the source sends on.
    this.#server = createServer((_req, res) => res.writeHead(501).end())
    this.#server.on('upgrade', (_req, socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: aries-move\r\n\r\n',
      )
      const decoder = new MessageDecoder()
      socket.on('data', (chunk: Buffer) => {
        for (const message of decoder.push(chunk)) {
          this.heard.push(message.type as ToTarget['type'])
          react(message as ToTarget, this, socket)
        }
      })
    })
  }

  async start(node: string): Promise<{ node: string; host: string; port: number }> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return { node, host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port }
  }

  say(socket: Duplex, message: ToSource): void {
    socket.write(Buffer.concat(encodeMessage(message)))
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Says it on every connection. */
  sayAll(message: ToSource): void {
    for (const socket of this.#sockets) this.say(socket, message)
  }

  stop(): void {
    this.cut()
    this.#server.close()
  }
}
