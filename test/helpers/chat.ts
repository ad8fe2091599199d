/** WebSocket clients that chat in one room and check what they hear. */
import { WebSocket } from 'ws'

export interface Heard {
  readonly seq: number
  readonly from: string
  readonly text: string
}

/** A client that keeps what it hears and notices a gap, a repetition or a close. */
export class ChatClient {
  readonly heard: Heard[] = []
  readonly faults: string[] = []
  readonly #socket: WebSocket
  #closing = false

  constructor(url: string, name: string) {
    this.#socket = new WebSocket(`${url.replace(/^http/, 'ws')}?from=${name}`)
    this.#socket.on('message', (data: Buffer) => this.#hear(data.toString()))
    this.#socket.on('close', (code) => {
      if (!this.#closing) this.faults.push(`closed with ${code}`)
    })
    this.#socket.on('error', (error) => this.faults.push(String(error)))
  }

  opened(): Promise<void> {
    if (this.#socket.readyState === WebSocket.OPEN) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#socket.once('open', () => resolve())
      this.#socket.once('error', reject)
    })
  }

  say(text: string): void {
    this.#socket.send(text)
  }

  close(): void {
    this.#closing = true
    this.#socket.close()
  }

  #hear(text: string): void {
    const message = JSON.parse(text) as Heard
    const last = this.heard.at(-1)
    if (last && message.seq !== last.seq + 1) {
      this.faults.push(`heard ${message.seq} after ${last.seq}`)
    }
    this.heard.push(message)
  }
}
