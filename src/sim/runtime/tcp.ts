/**
 * TCP between simulated processes in place of that of Node: `net.Socket` and `net.Server` keep
 * their own code down to the handle, below it bytes travel through the world. As TCP does, a
 * connection loses, doubles and overtakes nothing within itself: what can happen to it is that its
 * bytes come in other pieces, late, not at all while a direction is cut, or that it breaks off at
 * any byte. Requests are lost and doubled by that, when whoever sent them sends them again.
 */
import net from 'node:net'
import type { Random } from '../../world.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import type { VirtualProcess } from './process.ts'

export interface TcpFaults {
  /** Part of the writes after which the connection breaks off, somewhere in what was written. */
  cut: number
  /** Part of the writes that arrive in two pieces. */
  split: number
  delayMsMin: number
  delayMsMax: number
  /** Part of the writes that take up to `lateMs` longer. */
  late: number
  lateMs: number
}

type Item = Buffer | 'end' | 'reset'

/** Bytes under way that a sender need not wait for: the buffers of both systems. */
const WINDOW_BYTES = 256 * 1024

/** One end of a connection. */
class End {
  readonly owner: VirtualProcess
  readonly socket: Own
  peer: End | undefined
  /** Neither reads nor writes any more. */
  closed = false
  readonly queue: { item: Item; atMs: number; sent: (() => void) | undefined }[] = []
  queuedBytes = 0
  lastMs = 0

  constructor(owner: VirtualProcess, socket: net.Socket) {
    this.owner = owner
    this.socket = socket as unknown as Own
  }
}

interface Listening {
  readonly server: net.Server
  readonly owner: VirtualProcess
}

/** What Node's sockets are in the world. */
export const ends = new WeakMap<object, End>()
/** What waits until a socket is connected. */
export const waiting = new WeakMap<object, (() => void)[]>()

/** The network of one seed. */
export class VirtualTcp {
  readonly faults: TcpFaults
  readonly stats = { connections: 0, refused: 0, cut: 0, pieces: 0 }
  /** Hears of each piece before it is handed over: the steps of everything. */
  onPiece: ((from: VirtualProcess, to: VirtualProcess, bytes: number) => void) | undefined
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #listening = new Map<string, Listening>()
  readonly #cuts = new Set<string>()
  readonly #ends = new Set<End>()
  /** Sockets that Node still knows, those of dead processes too. */
  readonly #sockets = new Set<Own>()
  #held: (() => void)[] = []
  #port = 30_000

  constructor(components: { clock: VirtualClock; random: Random }, faults: TcpFaults) {
    this.#clock = components.clock
    this.#random = components.random
    this.faults = faults
  }

  /** Cuts one direction between two machines: what is sent waits, as TCP's repetitions do. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`)
  }

  heal(): void {
    this.#cuts.clear()
    for (const go of this.#held.splice(0)) this.#clock.after(0, go)
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`)
  }

  /** Connections that are open between two processes. */
  get open(): number {
    return this.#ends.size / 2
  }

  /** Breaks the connections between two machines. */
  breakBetween(a: string, b: string): void {
    for (const end of this.#ends) {
      if (end.owner.machine !== a || end.peer?.owner.machine !== b) continue
      this.stats.cut++
      this.#break(end)
    }
  }

  /** The system closes what a dead process had open. */
  died(owner: VirtualProcess): void {
    for (const [address, listening] of this.#listening) {
      if (listening.owner === owner) this.#listening.delete(address)
    }
    for (const end of this.#ends) {
      if (end.owner !== owner) continue
      this.#ends.delete(end)
      end.closed = true
      this.#enqueue(end, this.#random.next() < 0.5 ? 'end' : 'reset', undefined)
    }
  }

  listen(server: net.Server, owner: VirtualProcess, host: string, port: number): number {
    const chosen = port === 0 ? ++this.#port : port
    this.#listening.set(`${host}:${chosen}`, { server, owner })
    return chosen
  }

  unlisten(server: net.Server): void {
    for (const [address, listening] of this.#listening) {
      if (listening.server === server) this.#listening.delete(address)
    }
  }

  connect(socket: net.Socket, owner: VirtualProcess, host: string, port: number): void {
    const end = this.#end(owner, socket)
    this.#clock.after(this.#delayMs(), () => this.#arrive(end, `${host}:${port}`))
  }

  /** The world ends: Node holds on to what a socket has, e.g. a parser, until it is destroyed. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #end(owner: VirtualProcess, socket: net.Socket): End {
    const end = new End(owner, socket)
    ends.set(socket, end)
    this.#ends.add(end)
    this.#sockets.add(end.socket)
    socket.once('close', () => this.#sockets.delete(end.socket))
    return end
  }

  /** The first packet of a connection reaches the machine that it is for. */
  #arrive(end: End, address: string): void {
    if (end.closed || end.owner.dead) return
    const there = this.#listening.get(address)
    const machine = there?.owner.machine ?? 'nobody'
    if (this.isCut(end.owner.machine, machine) || this.isCut(machine, end.owner.machine)) {
      this.#held.push(() => this.#arrive(end, address))
      return
    }
    if (!there || there.owner.dead) {
      this.stats.refused++
      this.#clock.after(this.#delayMs(), () =>
        this.#fail(end, 'connect ECONNREFUSED', 'ECONNREFUSED'),
      )
      return
    }
    this.stats.connections++
    const socket = new net.Socket({ allowHalfOpen: true })
    const other = this.#end(there.owner, socket)
    other.peer = end
    end.peer = other
    there.owner.run(() => {
      socket.allowHalfOpen = (there.server as { allowHalfOpen?: boolean }).allowHalfOpen ?? false
      there.server.emit('connection', socket)
    })
    this.#clock.after(this.#delayMs(), () => {
      end.owner.run(() => {
        if (end.closed) return
        end.socket.connecting = false
        for (const go of waiting.get(end.socket)?.splice(0) ?? []) go()
        end.socket.emit('connect')
        end.socket.emit('ready')
      })
    })
  }

  write(end: End, bytes: Buffer, sent: () => void): void {
    const { cut, split } = this.faults
    const apart = bytes.length > 1 && this.#random.next() < split
    const at = apart ? 1 + Math.floor(this.#random.next() * (bytes.length - 1)) : bytes.length
    if (end.peer && end.peer.owner !== end.owner && this.#random.next() < cut) {
      this.stats.cut++
      this.#enqueue(end, bytes.subarray(0, Math.floor(this.#random.next() * bytes.length)), sent)
      this.#break(end)
      return
    }
    this.#enqueue(end, bytes.subarray(0, at), apart ? undefined : sent)
    if (apart) this.#enqueue(end, bytes.subarray(at), sent)
  }

  end(end: End): void {
    this.#enqueue(end, 'end', undefined)
  }

  close(end: End, reset: boolean): void {
    if (end.closed) return
    end.closed = true
    this.#ends.delete(end)
    this.#enqueue(end, reset ? 'reset' : 'end', undefined)
  }

  /** Both ends see it break, each after what was under way to it. */
  #break(end: End): void {
    this.#enqueue(end, 'reset', undefined)
    if (end.peer) this.#enqueue(end.peer, 'reset', undefined)
  }

  #enqueue(end: End, item: Item, sent: (() => void) | undefined): void {
    const { late, lateMs } = this.faults
    const extraMs = this.#random.next() < late ? this.#random.next() * lateMs : 0
    const atMs = Math.max(end.lastMs, this.#clock.nowMs() + this.#delayMs() + extraMs)
    end.lastMs = atMs
    const waits = typeof item !== 'string' && end.queuedBytes > WINDOW_BYTES
    if (typeof item !== 'string') end.queuedBytes += item.length
    if (!waits) sent?.()
    end.queue.push({ item, atMs, sent: waits ? sent : undefined })
    if (end.queue.length === 1) this.#clock.after(atMs - this.#clock.nowMs(), () => this.#next(end))
  }

  #next(end: End): void {
    const first = end.queue[0]
    if (!first) return
    const to = end.peer
    if (!to) {
      // Nobody took the connection; it is written to when it is.
      end.queue.length = 0
      return
    }
    if (this.isCut(end.owner.machine, to.owner.machine)) {
      this.#held.push(() => this.#next(end))
      return
    }
    end.queue.shift()
    const { item, sent } = first
    if (typeof item !== 'string') end.queuedBytes -= item.length
    if (sent) end.owner.run(sent)
    this.#deliver(end, to, item)
    const next = end.queue[0]
    if (next) this.#clock.after(Math.max(0, next.atMs - this.#clock.nowMs()), () => this.#next(end))
  }

  #deliver(from: End, to: End, item: Item): void {
    if (to.closed || to.owner.dead) {
      if (typeof item !== 'string' && !from.closed) this.#enqueue(to, 'reset', undefined)
      return
    }
    this.stats.pieces++
    if (item === 'reset') {
      this.#fail(to, 'read ECONNRESET', 'ECONNRESET')
      return
    }
    if (typeof item !== 'string') this.onPiece?.(from.owner, to.owner, item.length)
    to.owner.run(() => {
      if (to.closed) return
      if (item === 'end') {
        to.socket.push(null)
        to.socket.read(0)
      } else handOver(to.socket, item)
    })
  }

  #fail(end: End, message: string, code: string): void {
    if (end.closed) return
    end.closed = true
    this.#ends.delete(end)
    end.owner.run(() => {
      end.socket.connecting = false
      end.socket.destroy(Object.assign(new Error(message), { code }))
    })
  }

  #delayMs(): number {
    const { delayMsMin, delayMsMax } = this.faults
    return delayMsMin + this.#random.next() * (delayMsMax - delayMsMin)
  }
}

/** Own properties of every socket of Node's: what its option `onread` has set. */
const READ_BUFFER = symbolOf('kBuffer')
const READ_CALLBACK = symbolOf('kBufferCb')

function symbolOf(name: string): symbol {
  const symbols = Object.getOwnPropertySymbols(new net.Socket())
  const found = symbols.find(({ description }) => description === name)
  if (found === undefined) throw new Error(`sockets of this Node have no ${name}`)
  return found
}

/** As Node does with what it has read: into the buffer of the socket's `onread`, if it has one. */
function handOver(socket: Own, bytes: Buffer): void {
  const values = socket as unknown as Record<symbol, unknown>
  const buffer = values[READ_BUFFER] as Uint8Array | null | undefined
  if (!buffer) {
    socket.push(bytes)
    return
  }
  const callback = values[READ_CALLBACK] as (bytes: number, buffer: Uint8Array) => boolean
  for (let at = 0; at < bytes.length && !socket.destroyed; at += buffer.length) {
    const piece = bytes.subarray(at, at + buffer.length)
    buffer.set(piece)
    callback(piece.length, buffer)
  }
}

export type SocketInternals = {
  _writeGeneric(writev: boolean, data: unknown, encoding: BufferEncoding, done: Done): void
  _final(done: Done): void
  _read(size: number): void
  _destroy(error: Error | null, done: Done): void
}
export type Done = (error?: Error | null) => void
/** As Node's own code sees it. */
export type Own = SocketInternals & Omit<net.Socket, 'connecting'> & { connecting: boolean }
