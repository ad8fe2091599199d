import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { encodeFrame, type Frame, FrameDecoder } from '../../src/session-frames.ts'
import type { OwnerAddress } from '../../src/wire.ts'
import { type HostProcess, TOKEN } from './host-process.ts'
import { until } from './until.ts'

type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>

export function openFrame(sid: string, worker: string, url = '/'): Frame {
  return { type: 'open', sid, worker, url, headers: [['host', 'test']] }
}

/** A front's end of one session link, with every frame it heard. */
export class LinkClient {
  readonly heard: Frame[] = []
  onFrame: ((frame: Frame) => void) | undefined
  closed = false
  readonly #socket: Duplex

  constructor(socket: Duplex) {
    this.#socket = socket
    const decoder = new FrameDecoder()
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
    })
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        this.heard.push(frame)
        this.onFrame?.(frame)
      }
    })
  }

  static async connect(
    port: number,
    hello = { front: 'f1', shard: 0, boot: 1 },
  ): Promise<LinkClient> {
    const socket = await new Promise<Duplex>((resolve, reject) => {
      const headers = { connection: 'Upgrade', upgrade: 'aries-session', 'aries-auth': TOKEN }
      request({ host: '127.0.0.1', port, headers })
        .once('upgrade', (_res, upgraded) => resolve(upgraded))
        .once('error', reject)
        .end()
    })
    const client = new LinkClient(socket)
    client.send({ type: 'hello', ...hello })
    return client
  }

  /** All in one write: they are read together. */
  send(...frames: Frame[]): void {
    this.#socket.write(Buffer.concat(frames.map(encodeFrame)))
  }

  raw(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  open(sid: string, worker: string, url = '/'): void {
    this.send(openFrame(sid, worker, url))
  }

  all<T extends Frame['type']>(type: T, sid?: string): FrameOf<T>[] {
    return this.heard.filter(
      (frame): frame is FrameOf<T> =>
        frame.type === type && (!sid || (frame as { sid?: string }).sid === sid),
    )
  }

  async next<T extends Frame['type']>(type: T, sid?: string): Promise<FrameOf<T>> {
    await until(`a frame "${type}" of ${sid}`, () => this.all(type, sid).length > 0)
    return this.all(type, sid)[0]!
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** One client's session, as a front keeps it: follows moves, sends again, counts. */
export class SessionClient {
  readonly sid: string
  readonly received: string[] = []
  readonly faults: string[] = []
  accepted = false
  seen = 0
  sent = 0
  acked = 0
  readonly #worker: string
  readonly #unacked = new Map<number, string>()
  readonly #links: LinkPool
  #link: LinkClient | undefined

  constructor(links: LinkPool, sid: string, worker: string) {
    this.#links = links
    this.sid = sid
    this.#worker = worker
    links.sessions.set(sid, this)
  }

  async open(host: HostProcess, url = '/'): Promise<void> {
    this.#link = await this.#links.get(host.port)
    this.#link.open(this.sid, this.#worker, url)
    await until(`${this.sid} is accepted`, () => this.accepted)
  }

  say(text: string): void {
    const n = ++this.sent
    this.#unacked.set(n, text)
    this.#link?.send({ type: 'message', sid: this.sid, n, data: text })
  }

  heard(frame: Frame, link: LinkClient): void {
    if (link !== this.#link && frame.type !== 'moved') return
    switch (frame.type) {
      case 'accept':
        this.accepted = true
        break
      case 'message':
        if (frame.n === this.seen + 1) {
          this.seen = frame.n
          this.received.push(String(frame.data))
        } else if (frame.n > this.seen + 1) this.faults.push(`gap: ${frame.n} after ${this.seen}`)
        link.send({ type: 'ack', sid: this.sid, n: this.seen })
        break
      case 'ack':
        for (let n = this.acked + 1; n <= frame.n; n++) this.#unacked.delete(n)
        this.acked = Math.max(this.acked, frame.n)
        break
      case 'refuse':
      case 'close':
        this.faults.push(`${frame.type} ${frame.reason}`)
        break
      default:
        break
    }
  }

  async moved(owner: OwnerAddress): Promise<void> {
    this.#link = undefined
    const link = await this.#links.get(owner.port)
    this.#link = link
    link.send({ type: 'attach', sid: this.sid, worker: this.#worker, seen: this.seen })
    for (const [n, data] of this.#unacked) link.send({ type: 'message', sid: this.sid, n, data })
  }
}

/** The links of one shard of a front. */
export class LinkPool {
  readonly sessions = new Map<string, SessionClient>()
  readonly #links = new Map<number, Promise<LinkClient>>()

  get(port: number): Promise<LinkClient> {
    let link = this.#links.get(port)
    if (!link) {
      link = LinkClient.connect(port).then((client) => {
        client.onFrame = (frame) => this.#heard(frame, client)
        return client
      })
      this.#links.set(port, link)
    }
    return link
  }

  async close(): Promise<void> {
    for (const link of this.#links.values()) (await link).close()
  }

  #heard(frame: Frame, link: LinkClient): void {
    if (frame.type === 'moved') {
      for (const sid of frame.sids) void this.sessions.get(sid)?.moved(frame.owner)
    } else if ('sid' in frame) {
      this.sessions.get(frame.sid)?.heard(frame, link)
    }
  }
}
