/**
 * WebSockets to workers. A client's WebSocket ends here and stays here; its messages travel over
 * one link per host (`src/session-frames.ts`). It is opened only when the worker has accepted it,
 * so that a refusal is an HTTP status. When the worker moves or its host dies, the session is
 * attached where the worker is then, and the client notices nothing but the time it took.
 */
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { AriesError, toAriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Owners } from '../owners.ts'
import type { Frame, SessionId } from '../session-frames.ts'
import type { OwnerAddress } from '../wire.ts'
import type { ShardStats, SplicedBytes } from './metrics.ts'
import type { Nodes } from './nodes.ts'
import type { RequestHead } from './plan.ts'
import { writeError } from './reply.ts'
import { Session } from './session.ts'
import type { HostLink } from './session-link.ts'
import { HostLinks } from './session-links.ts'
import { handshakeFault, WebSocketEndpoint } from './websocket.ts'

export interface SessionsComponents {
  readonly log: Logger
  readonly owners: Owners
  readonly nodes: Nodes
  readonly stats: ShardStats
  readonly bytes: SplicedBytes
}

export interface SessionsLimits {
  readonly token: string
  readonly messageBytesMax: number
  readonly connectionsMax: number
  readonly connectTimeoutMs: number
  /** How long a session may be without a host. */
  readonly ownerTimeoutMs: number
}

type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>

/** A client that does not answer a ping until the next is gone. */
const PING_INTERVAL_MS = 30_000
const PAUSE_MS = 25
const REDIRECTS_MAX = 10
/** Sessions whose clients have gone, remembered for a `moved` that was on its way. */
const LEFT_MAX = 1_000

export class Sessions {
  readonly #components: SessionsComponents
  #limits: SessionsLimits
  readonly #hello: FrameOf<'hello'>
  readonly #endpoint: WebSocketEndpoint
  readonly #sessions = new Map<SessionId, Session>()
  readonly #links: HostLinks
  readonly #left = new Map<SessionId, readonly [code: number, reason: string]>()
  readonly #pings: NodeJS.Timeout
  #count = 0
  #stopping = false

  constructor(
    components: SessionsComponents,
    init: { readonly front: string; readonly shard: number; readonly boot: number },
    limits: SessionsLimits,
  ) {
    this.#components = components
    this.#limits = limits
    this.#hello = { type: 'hello', ...init }
    this.#endpoint = new WebSocketEndpoint(limits)
    this.#links = new HostLinks(
      {
        frame: (link, frame) => this.#frame(link, frame),
        closed: (link, why) => this.#linkClosed(link, why),
      },
      { hello: this.#hello, ...limits },
    )
    this.#pings = setInterval(() => this.#ping(), PING_INTERVAL_MS)
    this.#pings.unref()
  }

  setLimits(limits: SessionsLimits): void {
    this.#limits = limits
    this.#endpoint.setLimits(limits)
    this.#links.setLimits(limits)
  }

  /** Why the request cannot become a WebSocket at all; undefined when it can. */
  fault(head: RequestHead): AriesError | undefined {
    const fault = handshakeFault(head)
    if (fault !== undefined) return fault
    if (this.#stopping) return new AriesError('ARIES_E_NO_TARGET', 'the front is stopping')
    if (this.#sessions.size >= this.#limits.connectionsMax) {
      return new AriesError(
        'ARIES_E_OVERLOADED',
        `${this.#sessions.size} sessions are open already (front.connectionsMax)`,
      )
    }
    return undefined
  }

  /** Takes the client's socket, paused, and what it sent past the head. */
  open(head: RequestHead, id: WorkerId, socket: Socket, early: Buffer): void {
    this.#count += 1
    const { front, shard, boot } = this.#hello
    const sid = `${front}.${shard}.${boot.toString(36)}.${this.#count}`
    const worker = formatWorkerId(id)
    const session = new Session({ sid, id, worker, opening: { head, socket, early } })
    const { bytesRead, bytesWritten } = socket
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#components.bytes.in += socket.bytesRead - bytesRead
      this.#components.bytes.out += socket.bytesWritten - bytesWritten
      if (session.opening !== undefined) this.#clientLeft(session, 1006, '')
    })
    this.#sessions.set(sid, session)
    session.lostAtMs = performance.now()
    void this.#locate(session, undefined)
  }

  /** Gossip found the node dead: its links are over, even when TCP does not know it yet. */
  nodeDown(node: string): void {
    this.#links.nodeDown(node)
  }

  /** Closes every client with 1001, tells the hosts, cuts what is left after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#stopping = true
    clearInterval(this.#pings)
    const open = [...this.#sessions.values()]
    for (const session of open) {
      if (session.opening !== undefined) {
        this.#fail(session, new AriesError('ARIES_E_NO_TARGET', 'the front is stopping'))
        continue
      }
      this.#end(session, 1001, 'the front is stopping')
    }
    const sockets = open.flatMap(({ ws }) => (ws === undefined || ws.readyState === 3 ? [] : [ws]))
    const cut = setTimeout(() => {
      for (const ws of sockets) ws.terminate()
    }, graceMs)
    await Promise.all(sockets.map((ws) => new Promise((done) => ws.once('close', done))))
    clearTimeout(cut)
    this.#links.end()
  }

  /** Finds the owner and goes on there. `suspect`: the one that did not do. */
  async #locate(session: Session, suspect: OwnerAddress | undefined): Promise<void> {
    const { owners, nodes } = this.#components
    try {
      const cached = suspect === undefined ? owners.get(session.worker) : undefined
      const isGood = cached !== undefined && nodes.mayBeThere(cached)
      const owner = isGood ? cached : await owners.resolve(session.id, suspect ?? cached)
      if (!session.over) this.#attach(session, owner)
    } catch (thrown) {
      if (!session.over) this.#fail(session, toAriesError(thrown))
    }
  }

  #attach(session: Session, owner: OwnerAddress): void {
    if (session.opening === undefined) this.#components.stats.rehomed += 1
    session.attach(this.#links.to(owner), owner)
  }

  #linkClosed(link: HostLink, why: string): void {
    if (link.sessions.size === 0) return
    const sessions = [...link.sessions]
    this.#components.log.info(
      { node: link.node, sessions: sessions.length, why },
      'session link lost',
    )
    const nowMs = performance.now()
    for (const session of sessions) {
      session.detach()
      // A link that had been open was good: the time without a host begins now.
      if (link.wasOpen) session.lostAtMs = nowMs
      else session.lostAtMs ??= nowMs
      this.#retry(session, session.owner)
    }
  }

  /** Tries again after a pause, unless its time without a host is up. */
  #retry(session: Session, suspect: OwnerAddress | undefined): void {
    const { ownerTimeoutMs } = this.#limits
    const lostMs = performance.now() - (session.lostAtMs ?? performance.now())
    if (lostMs > ownerTimeoutMs) {
      this.#fail(
        session,
        new AriesError(
          'ARIES_E_TIMEOUT',
          `${session.worker} took the session at no owner in ${Math.round(lostMs)} ms (front.ownerTimeoutMs)`,
        ),
      )
      return
    }
    setTimeout(() => {
      if (!session.over) void this.#locate(session, suspect)
    }, PAUSE_MS)
  }

  #frame(link: HostLink, frame: Frame): void {
    if (frame.type === 'moved') {
      this.#moved(link, frame)
      return
    }
    if (!('sid' in frame)) throw new Error(`${frame.type} is not for a front`)
    const session = this.#sessions.get(frame.sid)
    // From a host that the session has left, or to a client that has gone: too late to matter.
    if (session === undefined || session.link !== link) return
    if (frame.type !== 'refuse') {
      session.lostAtMs = undefined
      session.redirects = 0
    }
    switch (frame.type) {
      case 'accept':
        this.#accept(session, frame.protocol)
        break
      case 'refuse':
        this.#refused(session, frame)
        break
      case 'message':
        this.#deliver(session, frame)
        break
      case 'ack':
        session.acknowledged(frame.n)
        if (session.left !== undefined && !session.hasUnacked) this.#tellLeft(session)
        break
      case 'close':
        this.#finish(session)
        session.closeClient(frame.code, frame.reason)
        break
      default:
        throw new Error(`${frame.type} is not for a front`)
    }
  }

  #accept(session: Session, protocol: string): void {
    const { opening } = session
    if (opening === undefined) return
    session.opening = undefined
    const { head, socket, early } = opening
    session.ws = this.#endpoint.upgrade(
      head,
      { protocol, node: this.#nodeOf(session) },
      socket,
      early,
    )
    socket.resume()
    if (session.ws === undefined) {
      this.#clientLeft(session, 1006, '')
      return
    }
    this.#components.stats.sessions += 1
    this.#components.stats.sessionsTotal += 1
    this.#listen(session, session.ws)
  }

  #listen(session: Session, ws: WebSocket): void {
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (session.left !== undefined || session.over) return
      session.take(isBinary ? data : data.toString())
    })
    ws.on('pong', () => {
      session.isResponsive = true
    })
    // What is wrong with the client's frames; ws closes it by itself with the right code.
    ws.on('error', (error) => {
      this.#components.log.debug({ sid: session.sid, error: error.message }, 'client fault')
    })
    ws.once('close', (code: number, reason: Buffer) => {
      this.#components.stats.sessions -= 1
      this.#clientLeft(session, code, reason.toString())
    })
  }

  #deliver(session: Session, frame: FrameOf<'message'>): void {
    if (!session.deliver(frame.n, frame.data)) {
      this.#components.log.error({ sid: session.sid, n: frame.n }, 'a message is missing')
      this.#end(session, 1011, 'a message was lost')
    } else if (session.isTooSlow) {
      this.#end(session, 1013, 'the client reads too slowly')
    }
  }

  #refused(session: Session, { status, reason, owner }: FrameOf<'refuse'>): void {
    const { owners, nodes } = this.#components
    if (owner !== undefined && session.redirects < REDIRECTS_MAX) {
      session.redirects += 1
      owners.learn(session.worker, owner)
      if (nodes.mayBeThere(owner)) this.#attach(session, owner)
      else void this.#locate(session, owner)
      return
    }
    if (owner !== undefined || (session.opening !== undefined && status === 421)) {
      if (session.owner !== undefined) owners.forget(session.worker, session.owner)
      session.detach()
      session.lostAtMs ??= performance.now()
      this.#retry(session, undefined)
      return
    }
    if (session.opening === undefined) {
      this.#end(session, 1012, 'the session was lost')
      return
    }
    const code = status >= 500 ? 'ARIES_E_NO_TARGET' : 'ARIES_E_BAD_REQUEST'
    this.#refuse(session, status, new AriesError(code, reason))
  }

  #moved(link: HostLink, { sids, worker, owner }: FrameOf<'moved'>): void {
    this.#components.owners.learn(worker, owner)
    for (const sid of sids) {
      const session = this.#sessions.get(sid)
      if (session?.link === link) {
        session.redirects = 0
        session.lostAtMs = undefined
        this.#attach(session, owner)
      } else if (session === undefined) {
        const [code, reason] = this.#left.get(sid) ?? [1006, '']
        this.#links.to(owner).send({ type: 'close', sid, code, reason })
      }
    }
  }

  /** The client has gone. The host is told when it has applied what the client sent before. */
  #clientLeft(session: Session, code: number, reason: string): void {
    if (session.over || session.left !== undefined) return
    session.left = [code, reason]
    if (session.hasUnacked) {
      session.lostAtMs ??= performance.now()
      const timer = setTimeout(() => this.#tellLeft(session), this.#limits.ownerTimeoutMs)
      timer.unref()
      return
    }
    this.#tellLeft(session)
  }

  #tellLeft(session: Session): void {
    if (session.over) return
    const [code, reason] = session.left ?? [1006, '']
    session.link?.send({ type: 'close', sid: session.sid, code, reason })
    this.#left.set(session.sid, [code, reason])
    if (this.#left.size > LEFT_MAX) this.#left.delete(this.#left.keys().next().value!)
    this.#finish(session)
  }

  /** Ends the session from here: the client is closed and the host told, both with `code`. */
  #end(session: Session, code: number, reason: string): void {
    session.left = [code, reason]
    this.#tellLeft(session)
    session.closeClient(code, reason)
  }

  /** No host takes it: an HTTP answer while it is opening, else 1012: the client may come again. */
  #fail(session: Session, error: AriesError): void {
    if (session.opening !== undefined) this.#refuse(session, error.status, error)
    else this.#end(session, 1012, error.message)
  }

  #refuse(session: Session, status: number, error: AriesError): void {
    const { opening } = session
    const node = this.#nodeOf(session)
    session.opening = undefined
    this.#finish(session)
    if (opening === undefined || opening.socket.destroyed) return
    opening.socket.resume()
    writeError(opening.socket, status >= 400 && status <= 599 ? status : 502, error, node)
  }

  /** The node that accepted or refused, else this front. */
  #nodeOf(session: Session): string {
    return session.link?.node ?? this.#hello.front
  }

  #finish(session: Session): void {
    session.over = true
    session.detach()
    this.#sessions.delete(session.sid)
  }

  #ping(): void {
    for (const session of this.#sessions.values()) {
      const { ws } = session
      if (ws?.readyState !== 1 || ws.isPaused) continue
      if (!session.isResponsive) {
        ws.terminate()
        continue
      }
      session.isResponsive = false
      ws.ping()
    }
  }
}
