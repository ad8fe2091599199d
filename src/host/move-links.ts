/** Connections to the hosts that workers move to: each is kept for a while for the next move. */
import type { Tokens } from '../auth.ts'
import type { ToSource, ToTarget } from '../move/messages.ts'
import { TO_SOURCE } from '../move/shapes.ts'
import type { HostAddress } from '../wire.ts'
import type { Clock, TimerHandle } from '../world.ts'
import { connectHost, HostLink } from './host-link.ts'

/** The target waits longer, and few connections are lost unseen in so short a time. */
const KEPT_MS = 10_000
/** Four times as many as move out of a node at a time, unless `move.concurrency` says otherwise. */
const KEPT_MAX = 32

/** A connection that a move goes over, and then the next one. */
export type MoveLink = HostLink<ToTarget, ToSource>

interface Kept {
  readonly link: MoveLink
  readonly name: string
  readonly timer: TimerHandle
}

export interface MoveLinksComponents {
  readonly clock: Clock
  readonly tokens: Pick<Tokens, 'shown'>
}

export class MoveLinks {
  readonly #c: MoveLinksComponents
  /** What each open one was made for: the host, and the token that it was shown. */
  readonly #names = new WeakMap<MoveLink, string>()
  /** Those that no move has now, the last used at the end. */
  readonly #kept: Kept[] = []
  #closed = false

  constructor(components: MoveLinksComponents) {
    this.#c = components
  }

  /** One that an earlier move has left, if there is any. */
  take(to: HostAddress): MoveLink | undefined {
    const name = nameOf(to, this.#c.tokens.shown)
    const kept = this.#kept.findLast((one) => one.name === name)
    if (kept) this.#forget(kept)
    return kept?.link
  }

  /** Rejects with `ARIES_E_MOVE_REFUSED`. */
  async connect(to: HostAddress): Promise<MoveLink> {
    const { shown } = this.#c.tokens
    const socket = await connectHost(to, shown, 'aries-move')
    const handlers = { message: () => undefined, closed: () => undefined }
    const link: MoveLink = new HostLink(socket, handlers, TO_SOURCE)
    this.#names.set(link, nameOf(to, shown))
    return link
  }

  /** Takes one back whose move is over at both ends. */
  keep(link: MoveLink): void {
    if (this.#closed || !link.isOpen || this.#kept.length >= KEPT_MAX) {
      link.end()
      return
    }
    const timer = this.#c.clock.after(KEPT_MS, () => link.destroy())
    const kept: Kept = { link, name: this.#names.get(link)!, timer }
    this.#kept.push(kept)
    // Who says something now takes the move for another one than it was.
    link.handlers = { message: () => link.destroy(), closed: () => this.#forget(kept) }
  }

  close(): void {
    this.#closed = true
    for (const { link } of this.#kept) link.destroy()
  }

  #forget(kept: Kept): void {
    kept.timer.cancel()
    const at = this.#kept.indexOf(kept)
    if (at >= 0) this.#kept.splice(at, 1)
  }
}

function nameOf({ host, port }: HostAddress, token: string): string {
  return `${host} ${port} ${token}`
}
