/** Clients that chat all the time, connect again when they are closed, and check what they hear. */
import { WebSocket } from 'ws'
import type { Report } from './report.ts'

const ROOMS = 4
const RECONNECT_MS = 100
const HEAR_TIMEOUT_MS = 10_000

interface Heard {
  readonly seq: number
  readonly from: string
  readonly text: string
}

/** What a room said under each number: it must be the same to everyone, for ever. */
type Chronicle = Map<number, string>

class Member {
  readonly name: string
  readonly room: string
  readonly #url: string
  readonly #report: Report
  readonly #chronicle: Chronicle
  /** Said on this connection and not heard yet. */
  readonly #unheard = new Map<string, number>()
  #socket: WebSocket | undefined
  #lastSeq: number | undefined
  #ended = false
  connections = 0

  constructor(report: Report, chronicle: Chronicle, init: { url: string; i: number }) {
    this.#report = report
    this.#chronicle = chronicle
    this.name = `c${init.i}`
    this.room = `/room/r${init.i % ROOMS}`
    this.#url = `${init.url.replace(/^http/, 'ws')}${this.room}?from=${this.name}`
  }

  get open(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  connect(): void {
    if (this.#ended) return
    const { calm } = this.#report
    const socket = new WebSocket(this.#url, { handshakeTimeout: HEAR_TIMEOUT_MS })
    this.#socket = socket
    this.#lastSeq = undefined
    this.#unheard.clear()
    let calmAtOpen = calm
    socket.once('open', () => {
      this.connections++
      calmAtOpen = this.#report.calm
    })
    socket.on('message', (data: Buffer) => this.#hear(JSON.parse(data.toString()) as Heard))
    socket.on('error', () => undefined)
    socket.once('close', (code) => this.#closed(code, calmAtOpen))
  }

  say(text: string): void {
    if (!this.open) return
    this.#unheard.set(text, performance.now())
    this.#socket!.send(text)
  }

  /** Said on a connection that is still open, and not heard yet. */
  get waiting(): number {
    return this.#unheard.size
  }

  end(): void {
    this.#ended = true
    this.#socket?.terminate()
  }

  #hear({ seq, text, from }: Heard): void {
    this.#unheard.delete(text)
    if (this.#lastSeq !== undefined && seq !== this.#lastSeq + 1) {
      const what = `${this.room}: ${this.name} heard ${seq} after ${this.#lastSeq}`
      this.#report.violation(what)
    }
    this.#lastSeq = seq
    const said = `${from}: ${text}`
    const known = this.#chronicle.get(seq)
    if (known === undefined) this.#chronicle.set(seq, said)
    else if (known !== said) {
      this.#report.violation(`${this.room}: number ${seq} is "${known}" and "${said}"`)
    }
  }

  #closed(code: number, calmAtOpen: number | undefined): void {
    if (this.#ended) return
    if (calmAtOpen !== undefined && calmAtOpen === this.#report.calm) {
      this.#report.violation(`${this.room}: ${this.name} closed with ${code} in a calm period`)
    }
    setTimeout(() => this.connect(), RECONNECT_MS)
  }
}

export class Crowd {
  readonly #report: Report
  readonly #chronicles = new Map<string, Chronicle>()
  readonly #members: Member[] = []
  #timer: NodeJS.Timeout | undefined
  #said = 0

  constructor(components: { report: Report }, init: { urls: readonly string[]; count: number }) {
    this.#report = components.report
    for (let i = 0; i < init.count; i++) {
      const room = `r${i % ROOMS}`
      // Rooms and fronts are mixed: every room has members at every front.
      const url = init.urls[Math.floor(i / ROOMS) % init.urls.length]!
      const chronicle = this.#chronicles.get(room) ?? new Map<number, string>()
      this.#chronicles.set(room, chronicle)
      this.#members.push(new Member(this.#report, chronicle, { url, i }))
    }
  }

  get said(): number {
    return this.#said
  }

  /** Connections that were opened, the first of each member not counted. */
  get reconnects(): number {
    return this.#members.reduce((sum, member) => sum + Math.max(0, member.connections - 1), 0)
  }

  start(): void {
    for (const member of this.#members) member.connect()
    this.#timer = setInterval(() => {
      this.#members[this.#said % this.#members.length]!.say(`message ${this.#said++}`)
    }, 20)
  }

  /** Undefined when everyone is connected; else who is not. */
  notServed(): string | undefined {
    const away = this.#members.find((member) => !member.open)
    return away && `${away.name} of ${away.room} is not connected`
  }

  /** Nobody speaks any more; resolves when all is heard, or too much time has passed. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const endMs = performance.now() + HEAR_TIMEOUT_MS
    while (performance.now() < endMs && this.#members.some((member) => member.waiting > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const member of this.#members) {
      const { waiting } = member
      if (member.open && waiting > 0) {
        this.#report.violation(`${member.room}: ${waiting} of ${member.name} were never heard`)
      }
    }
    this.#checkTwice()
  }

  end(): void {
    for (const member of this.#members) member.end()
  }

  #checkTwice(): void {
    for (const [room, chronicle] of this.#chronicles) {
      const seen = new Map<string, number>()
      for (const [seq, said] of chronicle) {
        const first = seen.get(said)
        if (first !== undefined) {
          this.#report.violation(`/room/${room}: "${said}" has the numbers ${first} and ${seq}`)
        }
        seen.set(said, seq)
      }
    }
  }
}
