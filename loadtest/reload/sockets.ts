/** WebSockets that stand while the front changes: how each ended. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

export interface Echo {
  readonly url: string
  close(): Promise<void>
}

/** A server whose WebSockets say what they hear. */
export async function startEcho(): Promise<Echo> {
  const server: Server = createServer((_request, response) => response.end('echo'))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (ws) => ws.on('message', (data: Buffer) => ws.send(data.toString())))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      for (const ws of sockets.clients) ws.terminate()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

export class StandingSockets {
  /** Codes with which they were closed. */
  readonly codes: number[] = []
  readonly #open = new Set<WebSocket>()

  /** Resolves when all of `urls` are open. */
  static async open(urls: readonly string[]): Promise<StandingSockets> {
    const sockets = new StandingSockets()
    await Promise.all(urls.map((url) => sockets.#connect(url)))
    return sockets
  }

  get open(): number {
    return this.#open.size
  }

  /** How many of those that are open still answer. */
  async answering(): Promise<number> {
    const asked = [...this.#open].map((ws) => answers(ws))
    return (await Promise.all(asked)).filter(Boolean).length
  }

  close(): void {
    for (const ws of this.#open) ws.terminate()
  }

  #connect(url: string): Promise<void> {
    const ws = new WebSocket(url)
    this.#open.add(ws)
    ws.on('close', (code) => {
      this.#open.delete(ws)
      this.codes.push(code)
    })
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve())
      ws.once('error', reject)
    })
  }
}

function answers(ws: WebSocket): Promise<boolean> {
  return new Promise((resolve) => {
    ws.once('message', () => resolve(true))
    ws.once('close', () => resolve(false))
    ws.send('there?')
  })
}
