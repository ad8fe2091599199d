/**
 * Sessions with workers. A client's WebSocket or raw socket ends here and stays here; its messages
 * travel over one link per host (`src/session-frames.ts`). When the worker moves or its host dies,
 * the session is attached where the worker is then, and the client notices nothing but the time it
 * took.
 */
import { AriesError, toAriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Owners } from '../owners.ts'
import type { Frame, SessionId } from '../session-frames.ts'
import type { OwnerAddress } from '../wire.ts'
import type { ClientEnd, Opening } from './client-end.ts'
import type { ShardStats } from './metrics.ts'
import type { Nodes } from './nodes.ts'
import { Session } from './session.ts'
import type { HostLink } from './session-link.ts'
import { HostLinks } from './session-links.ts'

export interface SessionsComponents {
  readonly log: Logger
  readonly owners: Owners
  readonly nodes: Nodes
  readonly stats: ShardStats
}

export interface SessionsLimits {
  readonly token: string
  readonly connectionsMax: number
  readonly connectTimeoutMs: number
  /** How long a session may be without a host. */
  readonly ownerTimeoutMs: number
}

type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>

const PAUSE_MS = 25
const REDIRECTS_MAX = 10
const DISMISS_TICK_MS = 100
/** Sessions whose clients have gone, remembered for a `moved` that was on its way. */
const LEFT_MAX = 1_000

export class Sessions {
  readonly #components: SessionsComponents
  #limits: SessionsLimits
  readonly #hello: FrameOf<'hello'>
  readonly #sessions = new Map<SessionId, Session>()
  readonly #links: HostLinks
  readonly #left = new Map<SessionId, readonly [code: number, reason: string]>()
  /** Those that are connected, also when their session is over. */
  readonly #clients = new Set<ClientEnd>()
  #onNoClients: () => void = () => {}
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
    this.#links = new HostLinks(
      {
        frame: (link, frame) => this.#frame(link, frame),
        closed: (link, why) => this.#linkClosed(link, why),
      },
      { hello: this.#hello, ...limits },
    )
  }

  setLimits(limits: SessionsLimits): void {
    this.#limits = limits
    this.#links.setLimits(limits)
  }

  /** Why no session can be opened now; undefined when one can. */
  fault(): AriesError | undefined {
    if (this.#stopping) return new AriesError('ARIES_E_NO_TARGET', 'the front is stopping')
    if (this.#sessions.size >= this.#limits.connectionsMax) {
      return new AriesError(
        'ARIES_E_OVERLOADED',
        `${this.#sessions.size} sessions are open already (front.connectionsMax)`,
      )
    }
    return undefined
  }

  /** A client asks for a session with the worker. Tell `left` when it goes before it has one. */
  open(id: WorkerId, opening: Opening): Session {
    this.#count += 1
    const { front, shard, boot } = this.#hello
    const sid = `${front}.${shard}.${boot.toString(36)}.${this.#count}`
    const session = new Session({ sid, id, worker: formatWorkerId(id), opening })
    this.#sessions.set(sid, session)
    session.lostAtMs = performance.now()
    void this.#locate(session, undefined)
    return session
  }

  /** Gossip found the node dead: its links are over, even when TCP does not know it yet. */
  nodeDown(node: string): void {
    this.#links.nodeDown(node)
  }

  /**
   * Another process takes new clients. WebSockets are closed with 1012, spread evenly over `spreadMs`
   * so that they do not all come back at once; `close` follows for the rest.
   */
  async dismiss(spreadMs: number): Promise<void> {
    const untilMs = performance.now() + spreadMs
    while (!this.#stopping) {
      const open = [...this.#sessions.values()].filter((each) => each.client?.hearsCodes === true)
      const leftMs = untilMs - performance.now()
      const share = leftMs <= 0 ? open.length : Math.ceil((open.length * DISMISS_TICK_MS) / leftMs)
      for (const session of open.slice(0, share)) this.#end(session, 1012, 'the front is replaced')
      if (leftMs <= 0) return
      await new Promise((resolve) => setTimeout(resolve, DISMISS_TICK_MS))
    }
  }

  /** Closes every client with 1001, tells the hosts, cuts what is left after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#stopping = true
    const open = [...this.#sessions.values()]
    for (const session of open) {
      if (session.opening !== undefined) {
        this.#fail(session, new AriesError('ARIES_E_NO_TARGET', 'the front is stopping'))
        continue
      }
      this.#end(session, 1001, 'the front is stopping')
    }
    const cut = setTimeout(() => {
      for (const client of this.#clients) client.close(1006, '')
    }, graceMs)
    await new Promise<void>((resolve) => {
      this.#onNoClients = resolve
      if (this.#clients.size === 0) resolve()
    })
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
        session.client?.close(frame.code, frame.reason)
        break
      default:
        throw new Error(`${frame.type} is not for a front`)
    }
  }

  #accept(session: Session, protocol: string): void {
    const { opening } = session
    if (opening === undefined) return
    session.opening = undefined
    const { stats } = this.#components
    const client = opening.accept(
      {
        data: (data) => {
          if (session.left === undefined && !session.over) session.take(data)
        },
        left: (code, reason) => {
          stats.sessions -= 1
          if (session.client) this.#clients.delete(session.client)
          if (this.#clients.size === 0) this.#onNoClients()
          this.left(session, code, reason)
        },
      },
      { protocol, node: this.#nodeOf(session) },
    )
    session.client = client
    if (client === undefined) {
      this.left(session, 1006, '')
      return
    }
    stats.sessions += 1
    stats.sessionsTotal += 1
    this.#clients.add(client)
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
      session.detach()
      session.lostAtMs ??= performance.now()
      // Not from the cache: what others learn may be the same again.
      this.#retry(session, session.owner)
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
  left(session: Session, code: number, reason: string): void {
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
    session.client?.close(code, reason)
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
    opening?.refuse(status, error, node)
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
}
