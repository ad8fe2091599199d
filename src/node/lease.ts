import type { Logger } from '../log.ts'
import type { Incarnation, Store } from '../store/store.ts'
import type { TimerHandle, World } from '../world.ts'

export interface LeaseEvents {
  /** The store gave this node an incarnation: it may own workers under it. */
  readonly granted: (incarnation: Incarnation) => void
  /** The incarnation is void, or the lease ran out while the store could not be reached. */
  readonly lost: (why: string) => void
}

/**
 * Keeps the node registered. A node that cannot renew stops serving when its lease has run out: by
 * then another may own its workers. When it finds itself evicted, or the store comes back, it
 * registers anew under a higher incarnation.
 */
export class Lease {
  readonly #store: Store
  readonly #log: Logger
  readonly #world: World
  readonly #init: { node: string; leaseMs: number }
  readonly #events: LeaseEvents
  #incarnation: Incarnation = 0
  #timer: TimerHandle | undefined
  #expiry: TimerHandle | undefined
  /** Since when an answer of the store is awaited; 0: none is. */
  #askedMs = 0
  #renewing: Promise<void> | undefined
  #unwatch: (() => void) | undefined
  #stopped = false
  #trouble: string | undefined

  constructor(
    components: { store: Store; log: Logger; world: World },
    init: { node: string; leaseMs: number },
    events: LeaseEvents,
  ) {
    this.#store = components.store
    this.#log = components.log
    this.#world = components.world
    this.#init = init
    this.#events = events
  }

  /** 0 while there is none. */
  get incarnation(): Incarnation {
    return this.#incarnation
  }

  /** Why the store cannot be used now; undefined when it can. */
  get trouble(): string | undefined {
    if (this.#trouble !== undefined || this.#askedMs === 0) return this.#trouble
    const waitedMs = Math.round(this.#world.clock.nowMs() - this.#askedMs)
    return waitedMs > this.#init.leaseMs / 3 ? `no answer for ${waitedMs} ms` : undefined
  }

  async start(): Promise<void> {
    await this.#register()
    this.#plan()
    // Evicted, it would answer reads until its next renewal.
    this.#unwatch = this.#store.watch(this.#init.node, () => void this.#renew())
  }

  /** A planned end: others may claim what this node still owned. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#unwatch?.()
    this.#timer?.cancel()
    this.#expiry?.cancel()
    if (this.#incarnation === 0) return
    try {
      await this.#store.leave(this.#init.node, this.#incarnation)
    } catch (error) {
      this.#log.warn({ err: error }, 'could not tell the store that this node leaves')
    }
  }

  /** Asks the store now: true when it says that the incarnation of before still holds. */
  async confirm(): Promise<boolean> {
    const incarnation = this.#incarnation
    await this.#renew()
    return incarnation !== 0 && incarnation === this.#incarnation && this.#trouble === undefined
  }

  #plan(): void {
    if (this.#stopped) return
    this.#timer = this.#world.clock.after(this.#init.leaseMs / 3, () => {
      void this.#renew().finally(() => this.#plan())
    })
  }

  async #register(): Promise<void> {
    const askedMs = this.#world.clock.nowMs()
    const incarnation = await this.#store.register(this.#init.node, this.#init.leaseMs)
    if (this.#stopped) return
    this.#incarnation = incarnation
    this.#extend(askedMs)
    this.#trouble = undefined
    this.#log.info({ incarnation }, 'registered in the store')
    this.#events.granted(incarnation)
  }

  /** One at a time: two that find the node evicted would register it twice. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#ask().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #ask(): Promise<void> {
    const askedMs = this.#world.clock.nowMs()
    const asked = this.#incarnation
    this.#askedMs = askedMs
    try {
      if (asked === 0) {
        await this.#register()
        return
      }
      const held = await this.#store.renew(this.#init.node, asked, this.#init.leaseMs)
      // The lease may have run out meanwhile: what was lost is not taken up again.
      if (this.#stopped || this.#incarnation !== asked) return
      this.#trouble = undefined
      if (held) {
        this.#extend(askedMs)
      } else {
        this.#lose('this node was evicted')
        await this.#register()
      }
    } catch (error) {
      this.#trouble = error instanceof Error ? error.message : String(error)
      this.#log.error({ err: error }, 'the store does not answer')
    } finally {
      this.#askedMs = 0
    }
  }

  /** The lease counts from the moment it was asked for; at its end it is gone, answer or not. */
  #extend(askedMs: number): void {
    this.#expiry?.cancel()
    const leftMs = Math.max(0, askedMs + this.#init.leaseMs - this.#world.clock.nowMs())
    this.#expiry = this.#world.clock.after(leftMs, () => {
      this.#lose('the lease ran out without an answer of the store')
    })
  }

  #lose(why: string): void {
    this.#expiry?.cancel()
    this.#log.warn({ incarnation: this.#incarnation, why }, 'lost the incarnation')
    this.#incarnation = 0
    this.#events.lost(why)
  }
}
