/** The mixed load of a soak: requests of every kind, sockets, clients that leave in the middle. */
import { connect } from 'node:net'
import { Agent, request } from 'undici'
import { WebSocket } from 'ws'
import { Client, OpenLoop } from '../test/helpers/load.ts'

/** Of a hundred requests. */
const MIX = { task: 35, counter: 30, legacy: 15, upload: 5, fresh: 10, left: 5 } as const
const COUNTERS = 1_000
const UPLOAD = 'x'.repeat(64 * 1_024)
const ROOMS = 10
const MEMBERS = 50
const SAID_PER_SECOND = 10
/** A member leaves, and another comes, so often. */
const CHANGE_MS = 1_000

export class SoakLoad {
  /** What should not have happened, the first of each kind, and how often it did. */
  readonly faults = new Map<string, number>()
  readonly #url: URL
  readonly #client: Client
  readonly #fresh = new Agent({ pipelining: 0, allowH2: false })
  readonly #loops: readonly OpenLoop[]
  readonly #members: WebSocket[] = []
  #latenciesMs: number[] = []
  #said = 0
  #heard = 0

  constructor(url: string, perSecond: number) {
    this.#url = new URL(url)
    this.#client = new Client(url)
    this.#loops = [
      new OpenLoop(perSecond, (n) => this.#send(n)),
      new OpenLoop(SAID_PER_SECOND, (n) => this.#say(n)),
      new OpenLoop(1_000 / CHANGE_MS, () => this.#change()),
    ]
  }

  get sent(): number {
    return this.#loops[0]!.sent
  }

  /** Messages heard by all members. */
  get heard(): number {
    return this.#heard
  }

  start(): void {
    for (let i = 0; i < MEMBERS; i++) this.#join()
    for (const loop of this.#loops) loop.start()
  }

  /** Latencies since the last call, milliseconds. */
  takeLatencies(): number[] {
    const taken = this.#latenciesMs
    this.#latenciesMs = []
    return taken
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()))
    for (const member of this.#members) member.terminate()
    await Promise.all([this.#client.close(), this.#fresh.destroy()])
  }

  async #send(n: number): Promise<void> {
    let at = (n * 37) % 100
    for (const [kind, share] of Object.entries(MIX)) {
      at -= share
      if (at < 0) return this.#one(kind as keyof typeof MIX, n)
    }
  }

  async #one(kind: keyof typeof MIX, n: number): Promise<void> {
    const beganMs = performance.now()
    try {
      const status = await this.#statusOf(kind, n)
      if (status !== 200) this.#fault(`${kind}: status ${status}`)
      if (kind !== 'left') this.#latenciesMs.push(performance.now() - beganMs)
    } catch (error) {
      this.#fault(`${kind}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
    }
  }

  async #statusOf(kind: keyof typeof MIX, n: number): Promise<number> {
    const key = `/counter/k${(n * 31) % COUNTERS}`
    switch (kind) {
      case 'task':
        return (await this.#client.send('GET', '/hello')).status
      case 'counter':
        return (await this.#client.send('POST', key)).status
      case 'legacy':
        return (await this.#client.send('GET', '/legacy/x')).status
      case 'upload':
        return (await this.#client.send('POST', '/legacy/upload', UPLOAD)).status
      case 'fresh': {
        const answer = await request(new URL('/hello', this.#url), {
          dispatcher: this.#fresh,
          reset: true,
        })
        await answer.body.dump()
        return answer.statusCode
      }
      case 'left':
        return this.#leave(n)
    }
  }

  /** Sends a part of a request, or all of it, and is gone before the answer. */
  async #leave(n: number): Promise<number> {
    const socket = connect(Number(this.#url.port), this.#url.hostname)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject)
    })
    const whole = 'POST /legacy/left HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345'
    socket.on('error', () => undefined)
    socket.write(whole.slice(0, n % whole.length), () => socket.resetAndDestroy())
    await new Promise((resolve) => socket.once('close', resolve))
    return 200
  }

  #join(): void {
    const room = `/room/r${this.#members.length % ROOMS}`
    const url = `${this.#url.origin.replace(/^http/, 'ws')}${room}?from=soak`
    const member = new WebSocket(url, { handshakeTimeout: 10_000 })
    member.on('message', () => {
      this.#heard++
    })
    member.on('error', (error) => this.#fault(`socket: ${error.message}`))
    this.#members.push(member)
  }

  async #say(n: number): Promise<void> {
    const member = this.#members[n % this.#members.length]!
    if (member.readyState === WebSocket.OPEN) member.send(`soak ${++this.#said}`)
  }

  /** The member that is there longest leaves. */
  async #change(): Promise<void> {
    const member = this.#members.shift()!
    if (member.readyState === WebSocket.OPEN) member.close(1000)
    else member.terminate()
    this.#join()
  }

  #fault(what: string): void {
    this.faults.set(what, (this.faults.get(what) ?? 0) + 1)
  }
}
