/** WebSockets of the simulated clients: what they send, and what they must hear. */
import { WebSocket } from 'ws'
import { type Random, randomInt } from '../../world.ts'
import type { VirtualProcess } from '../runtime/process.ts'
import type { Checks } from './checks.ts'
import { FRONT_PORT } from './cluster.ts'

export interface SessionsComponents {
  readonly random: Random
  readonly checks: Checks
  readonly client: VirtualProcess
  readonly say: (text: string) => void
}

/** One client; it comes again, as another session, when it was closed. */
class Client {
  readonly key: string
  readonly #c: SessionsComponents
  readonly #name: string
  readonly #port: number
  #life = 0
  #socket: WebSocket | undefined
  /** Of this life: the last message sent, the last echo, the last turn heard of. */
  #sent = 0
  #echoed = 0
  #heard = -1
  closes = 0
  lives = 0

  constructor(components: SessionsComponents, init: { name: string; key: string; port: number }) {
    this.#c = components
    this.#name = init.name
    this.key = init.key
    this.#port = init.port
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN && this.#heard >= 0
  }

  get isSettled(): boolean {
    return this.#echoed === this.#sent
  }

  get says(): string {
    return `${this.#session}: ${this.#sent} sent, ${this.#echoed} echoed`
  }

  get #session(): string {
    return `${this.#name}.${this.#life}`
  }

  connect(): void {
    if (this.#socket) return
    this.#life++
    this.#sent = this.#echoed = 0
    this.#heard = -1
    this.#c.client.run(() => {
      const socket = new WebSocket(`ws://127.0.0.1:${this.#port}/ledger/${this.key}`)
      this.#socket = socket
      socket.on('open', () => this.lives++)
      socket.on('message', (data: Buffer) => {
        if (this.#socket === socket) this.#hear(data.toString())
      })
      socket.on('error', () => undefined)
      socket.on('close', (code, reason) => {
        if (this.#socket !== socket) return
        this.#socket = undefined
        this.#c.say(`session ${this.#session} closed: ${code} ${String(reason)}`)
        if (this.#heard >= 0) this.closes++
      })
    })
  }

  send(): void {
    if (!this.isOpen) return
    this.#sent++
    this.#c.client.run(() => this.#socket!.send(`${this.#session} ${this.#sent}`))
  }

  leave(): void {
    this.#c.client.run(() => this.#socket?.close(1000))
    this.#socket = undefined
    this.#sent = this.#echoed
  }

  #hear(text: string): void {
    const { checks } = this.#c
    const [what, first, second] = text.split(' ')
    if (what === 'hello') {
      if (this.#heard >= 0) checks.fail('I9', `${this.#session} was greeted twice`)
      this.#heard = Number(first)
      return
    }
    const n = Number(what === 'echo' ? second : first)
    checks.frameSeen(this.key, n)
    if (what === 'echo') this.#echo(Number(first), n)
    else if (n <= this.#heard) {
      checks.fail('I9', `${this.#session} heard of turn ${n} after ${this.#heard}`)
    } else {
      if (!checks.isSilentBetween(this.key, this.#heard, n)) {
        checks.fail('I9', `${this.#session} heard of turn ${n} after ${this.#heard}: a gap`)
      }
      this.#heard = n
    }
  }

  #echo(k: number, n: number): void {
    const { checks } = this.#c
    if (k !== this.#echoed + 1) {
      checks.fail('I9', `${this.#session} heard echo ${k} after ${this.#echoed}`)
    }
    if (!checks.isMessage(this.key, n, this.#session, k)) {
      checks.fail('I4', `${this.#session}: message ${k} was echoed, the store does not have it`)
    }
    this.#echoed = k
  }
}

export class Sessions {
  readonly #random: Random
  readonly #clients: Client[]

  constructor(
    components: SessionsComponents,
    init: { clients: number; keys: readonly string[]; fronts: number },
  ) {
    this.#random = components.random
    this.#clients = Array.from({ length: init.clients }, (_, i) => {
      const key = init.keys[i % init.keys.length]!
      return new Client(components, {
        name: `s${i}`,
        key,
        port: FRONT_PORT + (i % init.fronts),
      })
    })
  }

  get closes(): number {
    return this.#clients.reduce((sum, { closes }) => sum + closes, 0)
  }

  get lives(): number {
    return this.#clients.reduce((sum, { lives }) => sum + lives, 0)
  }

  /** Every client is connected and has heard the answer to all that it sent. */
  get settled(): boolean {
    return this.#clients.every((client) => client.isOpen && client.isSettled)
  }

  unsettled(): string[] {
    return this.#clients
      .filter((client) => !client.isOpen || !client.isSettled)
      .map((client) => `${client.says}${client.isOpen ? '' : ', not open'}`)
  }

  connectAll(): void {
    for (const client of this.#clients) client.connect()
  }

  /** One of them says something, or now and then leaves. */
  act(mayLeave: boolean): void {
    const client = this.#clients[randomInt(this.#random, this.#clients.length)]!
    if (mayLeave && this.#random.next() < 0.05) client.leave()
    else client.send()
  }

  sendAll(): void {
    for (const client of this.#clients) client.send()
  }
}
