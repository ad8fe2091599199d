/** A connection to the host of another node, with the workers that have their standby there. */
import type { Logger } from '../log.ts'
import { FROM_STANDBY } from '../move/shapes.ts'
import { StandbyFeed, type Written } from '../move/standby-feed.ts'
import type { FromStandby, ToStandby } from '../move/standby-messages.ts'
import type { HostAddress } from '../wire.ts'
import type { Changes } from '../worker/state.ts'
import type { Clock } from '../world.ts'
import { connectHost, HostLink } from './host-link.ts'
import type { OpenWorker } from './open-worker.ts'
import { copySections } from './section-copy.ts'
import { sectionHash } from './section-hash.ts'

/** A standby that falls so far behind is given up, and begun anew. */
const UNSENT_BYTES_MAX = 64 * 1024 * 1024

interface Followed {
  readonly worker: OpenWorker
  readonly feed: StandbyFeed
  readonly tail: (seq: number, changes: Changes) => void
}

export interface StandbyLinkComponents {
  readonly clock: Clock
  readonly log: Logger
  /** It is in step with its standby from now on. */
  readonly onChanged: (worker: OpenWorker) => void
  /** These are not followed any more; `all` when the connection is gone. */
  readonly onLost: (workers: readonly OpenWorker[] | 'all') => void
}

export interface StandbyLinkInit {
  readonly node: string
  readonly to: HostAddress
  readonly token: string
}

export class StandbyLink {
  readonly to: HostAddress
  readonly #c: StandbyLinkComponents
  readonly #node: string
  readonly #byWorker = new Map<OpenWorker, Followed>()
  readonly #byStream = new Map<number, Followed>()
  #link: HostLink<ToStandby, FromStandby> | undefined
  #streams = 0
  #isGone = false
  /** One copy at a time: the loops of both hosts are for the workers. */
  #copying: Promise<void> = Promise.resolve()

  constructor(components: StandbyLinkComponents, init: StandbyLinkInit) {
    this.#c = components
    this.#node = init.node
    this.to = init.to
    void this.#connect(init.token)
  }

  isLive(worker: OpenWorker): boolean {
    return this.#byWorker.get(worker)?.feed.isLive ?? false
  }

  follow(worker: OpenWorker): void {
    const stream = ++this.#streams
    const init = {
      stream,
      worker: worker.name,
      from: this.#node,
      epoch: worker.epoch,
      stateBytes: worker.state.bytes,
    }
    const feed = new StandbyFeed(init, sectionHash)
    const followed: Followed = {
      worker,
      feed,
      tail: (seq, changes) => this.#turn(followed, seq, changes),
    }
    this.#byWorker.set(worker, followed)
    this.#byStream.set(stream, followed)
    worker.feed = followed.tail
    worker.lent = true
    this.#link?.send(feed.begin())
  }

  unfollow(worker: OpenWorker): void {
    const followed = this.#byWorker.get(worker)
    if (!followed) return
    this.#forget(followed)
    this.#link?.send({ type: 'unfollow', stream: followed.feed.init.stream })
  }

  destroy(): void {
    this.#isGone = true
    this.#link?.destroy()
    for (const followed of this.#byWorker.values()) this.#forget(followed)
  }

  async #connect(token: string): Promise<void> {
    try {
      const socket = await connectHost(this.to, token, 'aries-standby')
      if (this.#isGone) {
        socket.destroy()
        return
      }
      this.#link = new HostLink(
        socket,
        {
          message: (message) => this.#hear(message),
          closed: () => this.#lost('the connection closed'),
        },
        FROM_STANDBY,
      )
      for (const { feed } of this.#byWorker.values()) this.#link.send(feed.begin())
    } catch (error) {
      this.#lost((error as Error).message)
    }
  }

  #lost(why: string): void {
    if (this.#isGone) return
    this.destroy()
    this.#c.log.info({ to: this.to.node, why }, 'standbys lost')
    this.#c.onLost('all')
  }

  #forget(followed: Followed): void {
    followed.worker.feed = undefined
    this.#byWorker.delete(followed.worker)
    this.#byStream.delete(followed.feed.init.stream)
  }

  #hear(message: FromStandby): void {
    const followed = this.#byStream.get(message.stream)
    if (!followed) {
      // Told to follow no more before it began to.
      if (message.type === 'following') {
        this.#link?.send({ type: 'unfollow', stream: message.stream })
      }
      return
    }
    if (message.type === 'following') {
      followed.feed.accepted()
      this.#copying = this.#copying.then(() => this.#copy(followed))
      return
    }
    const { worker } = followed
    this.#c.log.info({ worker: worker.name, to: this.to.node, why: message.why }, 'standby lost')
    this.#forget(followed)
    this.#c.onLost([worker])
  }

  #turn(followed: Followed, seq: number, changes: Changes): void {
    const { worker, feed } = followed
    if (worker.epoch !== feed.init.epoch) {
      // A move was given up after its fence: the worker goes on under a new epoch.
      this.unfollow(worker)
      this.follow(worker)
      return
    }
    const message = feed.turn(seq, written(worker), changes)
    if (message) this.#send(message)
  }

  async #copy(followed: Followed): Promise<void> {
    const { worker, feed } = followed
    const isWhole = await copySections(worker, this.#c.clock, {
      wanted: () => this.#byStream.get(feed.init.stream) === followed && !worker.dropped,
      has: (name) => feed.hasSent(name),
      take: (seq, set) => this.#send(feed.sections(seq, set)),
      drained: async () => this.#link?.drained(),
    })
    if (!isWhole) return
    this.#send(feed.copied(worker.seq, written(worker)))
    this.#c.onChanged(worker)
  }

  #send(message: ToStandby): void {
    this.#link?.send(message)
    if ((this.#link?.unsentBytes ?? 0) > UNSENT_BYTES_MAX) this.#lost('it does not keep up')
  }
}

function written({ committedSeq, version }: OpenWorker): Written {
  return { committed: committedSeq, version }
}
