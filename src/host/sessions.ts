/** The host's end of the session links: which frame goes to which session of which worker. */
import type { Duplex } from 'node:stream'
import { AriesError, toAriesError } from '../errors.ts'
import { parseWorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Frame, SessionId } from '../session-frames.ts'
import type { OwnerAddress } from '../wire.ts'
import type { Clock } from '../world.ts'
import type { OpenWorker } from './open-worker.ts'
import type { FrontIdentity } from './session.ts'
import { SessionLink } from './session-link.ts'
import { CloseMail, DrainMail, MessageMail, OpenMail } from './session-mail.ts'
import type { AnySession, CarriedSession } from './session-set.ts'
import { TcpSession } from './tcp-session.ts'
import { WebSocketSession } from './websocket-session.ts'
import type { WorkerTable } from './worker-table.ts'

/** How long a session without a link waits for its front to attach it. */
const DETACHED_MS_MAX = 10_000
/** Messages of one session that may wait; a front sends no more than half of that unacknowledged. */
const WAITING_MAX = 2_048
const SESSIONS_MAX = 200_000
const SID_LENGTH_MAX = 200
/** RFC 6455, 7.4.1: gone without a close frame. */
const ABNORMAL = 1006

type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>

export class Sessions {
  readonly #table: WorkerTable
  readonly #clock: Clock
  readonly #log: Logger
  readonly #messageBytesMax: number
  readonly #sessions = new Map<SessionId, AnySession>()
  readonly #links = new Set<SessionLink>()
  /** Those that no link served when it was last looked. */
  readonly #detached = new Set<AnySession>()
  /** Those whose worker is being woken, with the link that asked. */
  readonly #waking = new Map<SessionId, SessionLink>()
  bytes = 0

  constructor(
    components: { table: WorkerTable; clock: Clock; log: Logger },
    init: { messageBytesMax: number },
  ) {
    this.#table = components.table
    this.#clock = components.clock
    this.#log = components.log
    this.#messageBytesMax = init.messageBytesMax
  }

  /** Sessions and links. */
  get connections(): number {
    return this.#sessions.size + this.#links.size
  }

  connect(socket: Duplex): void {
    const link = new SessionLink(socket, {
      frame: (from, frame) => this.#frame(from, frame),
      closed: (from) => this.#linkClosed(from),
      bytes: (bytes) => {
        this.bytes += bytes
      },
    })
    this.#links.add(link)
  }

  /** Takes in the sessions of a worker that has moved here; their fronts will attach them. */
  arrive(worker: OpenWorker, carried: readonly CarriedSession[]): void {
    this.#adopt(worker)
    for (const one of carried) {
      const session = this.#arrived(one, worker)
      worker.sessions.add(session)
      this.#sessions.set(session.id, session)
      this.#detached.add(session)
      if (one.left) this.#leave(session, ...one.left)
      else if (session instanceof TcpSession) session.checkDrain()
    }
  }

  #arrived(carried: CarriedSession, worker: OpenWorker): AnySession {
    const nowMs = this.#clock.nowMs()
    if (!('tcp' in carried)) return WebSocketSession.arrived(carried, worker, nowMs)
    return this.#listen(TcpSession.arrived(carried, worker, nowMs))
  }

  #listen(session: TcpSession): TcpSession {
    session.onDrain = () => {
      session.worker.offer(new DrainMail(session, this.#clock.nowMs()), true)
    }
    return session
  }

  /** The worker has moved: its fronts are told, after the last message from here. */
  depart(worker: OpenWorker, owner: OwnerAddress): void {
    const byLink = new Map<SessionLink, SessionId[]>()
    for (const session of worker.sessions.values()) {
      if (session.link) {
        const sids = byLink.get(session.link)
        if (sids) sids.push(session.id)
        else byLink.set(session.link, [session.id])
      }
      this.#sessions.delete(session.id)
    }
    for (const [link, sids] of byLink) {
      link.send({ type: 'moved', sids, worker: worker.name, owner })
    }
  }

  /** The worker is no longer here and nobody knows where: its sessions end. */
  lose(worker: OpenWorker, reason: string): void {
    for (const session of worker.sessions.values()) {
      worker.sessions.shut(session, 1012, reason)
    }
  }

  /** Lets go of sessions whose front has not come back. */
  sweep(): void {
    const beforeMs = this.#clock.nowMs() - DETACHED_MS_MAX
    for (const session of this.#detached) {
      const isGone = this.#sessions.get(session.id) !== session
      if (isGone || session.link || session.left) this.#detached.delete(session)
      else if (session.detachedMs < beforeMs) this.#leave(session, ABNORMAL, 'front lost')
    }
  }

  end(): void {
    for (const link of this.#links) link.end()
  }

  destroy(): void {
    for (const link of this.#links) link.destroy()
  }

  #frame(link: SessionLink, frame: Frame): void {
    if (!link.front && frame.type !== 'hello') throw new Error('no hello')
    switch (frame.type) {
      case 'hello':
        this.#hello(link, frame)
        break
      case 'open':
        this.#open(link, frame)
        break
      case 'attach':
        this.#attach(link, frame)
        break
      case 'message':
        this.#message(link, frame)
        break
      case 'ack':
        this.#sessions.get(frame.sid)?.acknowledged(frame.n)
        break
      case 'close':
        this.#close(link, frame)
        break
      default:
        throw new Error(`${frame.type} is not for a host`)
    }
  }

  #hello(link: SessionLink, { front, shard, boot }: FrameOf<'hello'>): void {
    link.front = { front, shard, boot }
    for (const session of this.#sessions.values()) {
      const of = session.front
      if (of.front === front && of.shard === shard && of.boot < boot && !session.left) {
        this.#leave(session, ABNORMAL, 'front restarted')
      }
    }
  }

  #open(link: SessionLink, frame: FrameOf<'open'>): void {
    const { sid } = frame
    if (typeof sid !== 'string' || sid.length > SID_LENGTH_MAX) throw new Error('bad sid')
    parseWorkerId(frame.worker)
    const known = this.#sessions.get(sid)
    const rousing = known ? undefined : this.#table.rouse(frame.worker)
    if (rousing) {
      this.#openAfter(rousing, link, frame)
      return
    }
    const worker = this.#table.get(frame.worker)
    if (known) this.#openAgain(link, known)
    else if (!worker) refuse(link, sid, 421, 'not here', this.#table.wentTo(frame.worker))
    else if (!takes(worker, frame)) refuse(link, sid, 400, 'the worker takes no such session')
    else if (this.#sessions.size >= SESSIONS_MAX) refuse(link, sid, 503, 'too many sessions')
    else this.#openNew(link, frame, worker)
  }

  /** Its worker is loaded first; a client that leaves meanwhile is not let in any more. */
  #openAfter(rousing: Promise<void>, link: SessionLink, frame: FrameOf<'open'>): void {
    this.#waking.set(frame.sid, link)
    const isWanted = (): boolean => {
      const wanted = this.#waking.get(frame.sid) === link
      if (wanted) this.#waking.delete(frame.sid)
      return wanted && this.#links.has(link)
    }
    rousing
      .then(() => {
        if (isWanted()) this.#open(link, frame)
      })
      .catch((thrown: unknown) => {
        const { status, message } = toAriesError(thrown)
        if (this.#links.has(link)) refuse(link, frame.sid, status, message)
        this.#waking.delete(frame.sid)
      })
  }

  #openNew(link: SessionLink, frame: FrameOf<'open'>, worker: OpenWorker): void {
    this.#adopt(worker)
    const session = this.#newSession(frame, link.front!, worker)
    session.link = link
    this.#sessions.set(session.id, session)
    const mail = new OpenMail(session, this.#clock.nowMs(), () => openRequest(frame))
    if (!worker.offer(mail)) mail.fail(new AriesError('ARIES_E_OVERLOADED', 'the queue is full'))
  }

  #newSession(
    { sid: id, url, tcp }: FrameOf<'open'>,
    front: FrontIdentity,
    worker: OpenWorker,
  ): AnySession {
    if (!tcp) return new WebSocketSession({ id, url, front, worker })
    return this.#listen(new TcpSession({ ...tcp, id, front, worker }))
  }

  /** The link broke before the front heard the answer. */
  #openAgain(link: SessionLink, session: AnySession): void {
    session.link = link
    if (!session.accepted) return
    link.send({ type: 'accept', sid: session.id, protocol: '' })
    session.attach(link, 0)
  }

  #attach(link: SessionLink, { sid, worker, seen }: FrameOf<'attach'>): void {
    const session = this.#sessions.get(sid)
    if (session && !session.left) {
      session.attach(link, seen)
      return
    }
    refuse(link, sid, 421, 'no such session', session ? undefined : this.#table.wentTo(worker))
  }

  #message(link: SessionLink, { sid, n, data }: FrameOf<'message'>): void {
    const session = this.#sessions.get(sid)
    // What a front sends to a session that has just moved or ended; it is told so, or was.
    if (!session || session.closing) return
    if (n <= session.inSeq) {
      if (n <= session.inDone) link.acknowledge(sid, session.inDone)
      return
    }
    if (n !== session.inSeq + 1) throw new Error(`session ${sid}: ${n} after ${session.inSeq}`)
    // The bytes of a raw connection have no length of their own.
    if (data.length > this.#messageBytesMax && !(session instanceof TcpSession)) {
      this.#end(session, 1009, 'the message is too large')
    } else if (n - session.inDone > WAITING_MAX) {
      this.#end(session, 1013, 'too many messages wait')
    } else {
      session.inSeq = n
      session.worker.meter.ioBytes += data.length
      session.worker.meter.exchanged({ address: link.address }, data.length)
      session.worker.offer(new MessageMail(session, this.#clock.nowMs(), n, data), true)
    }
  }

  #close(link: SessionLink, { sid, code, reason }: FrameOf<'close'>): void {
    this.#waking.delete(sid)
    const session = this.#sessions.get(sid)
    if (!session || session.left) return
    session.link ??= link
    this.#leave(session, code, reason)
  }

  /** The host closes the client's socket, and the worker is told as if it had gone. */
  #end(session: AnySession, code: number, reason: string): void {
    this.#log.info({ sid: session.id, worker: session.worker.name, code, reason }, 'session ended')
    session.link?.send({ type: 'close', sid: session.id, code, reason })
    this.#leave(session, code, reason)
  }

  #leave(session: AnySession, code: number, reason: string): void {
    session.worker.sessions.left(session, code, reason)
    session.worker.offer(new CloseMail(session, this.#clock.nowMs(), code, reason), true)
  }

  /** Sessions that end in a turn of the worker leave the index as well. */
  #adopt(worker: OpenWorker): void {
    worker.sessions.onRemoved = (session) => {
      if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id)
    }
  }

  #linkClosed(link: SessionLink): void {
    this.#links.delete(link)
    const nowMs = this.#clock.nowMs()
    for (const session of this.#sessions.values()) {
      if (session.link !== link) continue
      session.detach(nowMs)
      this.#detached.add(session)
    }
  }
}

function takes(worker: OpenWorker, { tcp }: FrameOf<'open'>): boolean {
  return worker.takes(tcp ? 'tcp' : 'webSocket')
}

function refuse(
  link: SessionLink,
  sid: SessionId,
  status: number,
  reason: string,
  owner?: OwnerAddress,
): void {
  link.send({ type: 'refuse', sid, status, reason, ...(owner ? { owner } : {}) })
}

function openRequest({ url, headers }: FrameOf<'open'>): Request {
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? 'localhost'
  return new Request(`http://${host}${url}`, { headers: headers.map(([n, v]) => [n, v]) })
}
