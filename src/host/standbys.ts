/** The standbys of this host: copies of workers that hosts of other nodes own. */
import type { Duplex } from 'node:stream'
import { parseWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { TO_STANDBY } from '../move/shapes.ts'
import { Standby, type StandbyState } from '../move/standby.ts'
import type { FromStandby, ToStandby } from '../move/standby-messages.ts'
import type { Clock } from '../world.ts'
import { HostLink } from './host-link.ts'
import { sectionHash } from './section-hash.ts'

/** So long a standby outlives its owner's connection: the failover comes within it, or not at all. */
const ORPHAN_MS = 60_000
const STANDBYS_MAX = 100_000

export interface StandbysComponents {
  readonly clock: Clock
  readonly log: Logger
  /** Asks the control loop for room; resolves with the reason why there is none, or undefined. */
  readonly reserve: (id: WorkerId, from: string, stateBytes: number) => Promise<string | undefined>
}

type Follow = Extract<ToStandby, { type: 'follow' }>

/** A connection from an owner, with the standbys that it feeds, by stream. */
class FeederLink {
  readonly #streams = new Map<number, Standby>()
  readonly #link: HostLink<FromStandby, ToStandby>
  readonly #standbys: Standbys
  isClosed = false

  constructor(standbys: Standbys, socket: Duplex) {
    this.#standbys = standbys
    this.#link = new HostLink(
      socket,
      {
        message: (message) => this.#hear(message),
        closed: () => {
          this.isClosed = true
          standbys.orphan(this.#streams.values())
        },
      },
      TO_STANDBY,
    )
  }

  destroy(): void {
    this.#link.destroy()
  }

  #hear(message: ToStandby): void {
    if (message.type === 'follow') void this.#follow(message)
    else if (message.type === 'unfollow') this.#forget(message.stream)
    else {
      const why = this.#streams.get(message.stream)?.hear(message)
      if (why !== undefined) this.#refuse(message.stream, why)
    }
  }

  async #follow(message: Follow): Promise<void> {
    const { stream, worker, epoch } = message
    const refusal = await this.#standbys.admit(message)
    if (this.isClosed) return
    if (refusal !== undefined) {
      this.#refuse(stream, refusal)
      return
    }
    const standby = new Standby({ worker, epoch }, sectionHash)
    this.#streams.set(stream, standby)
    this.#standbys.add(standby)
    this.#link.send({ type: 'following', stream })
  }

  #refuse(stream: number, why: string): void {
    this.#forget(stream)
    this.#link.send({ type: 'unfollowed', stream, why })
  }

  #forget(stream: number): void {
    const standby = this.#streams.get(stream)
    if (!standby) return
    this.#streams.delete(stream)
    this.#standbys.remove(standby)
  }
}

export class Standbys {
  readonly #c: StandbysComponents
  readonly #table = new Map<string, Standby>()
  readonly #links = new Set<FeederLink>()

  constructor(components: StandbysComponents) {
    this.#c = components
  }

  get size(): number {
    return this.#table.size
  }

  /** An owner has connected. */
  accept(socket: Duplex): void {
    const link = new FeederLink(this, socket)
    this.#links.add(link)
    socket.once('close', () => this.#links.delete(link))
  }

  /**
   * The state of the worker after turn `seq` under `epoch`, when a standby has it, which is then
   * forgotten: whoever asks has become the owner.
   */
  take(
    worker: string,
    { epoch, seq }: { readonly epoch: number; readonly seq: number },
  ): StandbyState | undefined {
    const standby = this.#table.get(worker)
    if (!standby) return undefined
    this.#table.delete(worker)
    return standby.at(epoch, seq)
  }

  /** Why the owner must look for another standby; undefined when this host is one. */
  async admit({ worker, from, epoch, stateBytes }: Follow): Promise<string | undefined> {
    if (this.#table.size >= STANDBYS_MAX) return `it has ${STANDBYS_MAX} standbys`
    const known = this.#table.get(worker)
    if (known && known.epoch > epoch) return `it follows a newer epoch, ${known.epoch}`
    return this.#c.reserve(parseWorkerId(worker), from, stateBytes)
  }

  add(standby: Standby): void {
    this.#table.set(standby.worker, standby)
  }

  remove(standby: Standby): void {
    if (this.#table.get(standby.worker) === standby) this.#table.delete(standby.worker)
  }

  /** Their owner is silent: this is what they are for, for a while. */
  orphan(standbys: Iterable<Standby>): void {
    const orphans = [...standbys]
    if (orphans.length === 0) return
    this.#c.log.info({ standbys: orphans.length }, 'the owner of standbys is gone')
    // Those that others take the place of meanwhile are not held on to.
    const refs = orphans.map((standby) => new WeakRef(standby))
    this.#c.clock.after(ORPHAN_MS, () => {
      for (const ref of refs) {
        const standby = ref.deref()
        if (standby) this.remove(standby)
      }
    })
  }

  destroy(): void {
    for (const link of this.#links) link.destroy()
    this.#table.clear()
  }
}
