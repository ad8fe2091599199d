import { formatWorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { TimerHandle, World } from '../world.ts'
import type { OpenWorkers } from './open-workers.ts'
import type { Ownership } from './ownership.ts'

const SCAN_MS = 1_000
/** An open worker rings in time by itself; what is due for longer is looked after here. */
const OVERDUE_MS = 1_000
const PAGE = 200
const CONCURRENCY = 4

export interface AlarmScanComponents {
  readonly store: Store
  readonly ownership: Ownership
  readonly open: OpenWorkers
  readonly log: Logger
  readonly world: World
}

/**
 * Finds workers that are open nowhere though their alarm is due: their node died, or the whole
 * cluster was away. To resolve one opens it, and an open worker rings. Every node looks; the store
 * lets one of them have it.
 */
export class AlarmScan {
  readonly #c: AlarmScanComponents
  readonly #mayScan: () => boolean
  #timer: TimerHandle | undefined
  #stopped = false
  /** Where the next page begins, so that those that cannot be opened do not hide the others. */
  #afterMs = 0

  constructor(components: AlarmScanComponents, init: { mayScan: () => boolean }) {
    this.#c = components
    this.#mayScan = init.mayScan
  }

  start(): void {
    if (this.#stopped) return
    const delayMs = SCAN_MS * (0.5 + this.#c.world.random.next())
    this.#timer = this.#c.world.clock.after(delayMs, () => {
      void this.#scan().finally(() => this.start())
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #scan(): Promise<void> {
    if (!this.#mayScan()) return
    const { store, ownership, open, log, world } = this.#c
    try {
      const beforeMs = world.clock.wallMs() - OVERDUE_MS
      const page = await store.dueAlarms(this.#afterMs, beforeMs, PAGE)
      this.#afterMs = page.length < PAGE ? 0 : page.at(-1)!.dueMs
      const queue = page.map(({ id }) => id).filter((id) => !open.has(id))
      const lane = async (): Promise<void> => {
        for (let id = queue.shift(); id && !this.#stopped; id = queue.shift()) {
          const worker = formatWorkerId(id)
          await ownership
            .resolve(id)
            .catch((error: unknown) => log.debug({ err: error, worker }, 'alarm not opened now'))
        }
      }
      await Promise.all(Array.from({ length: CONCURRENCY }, lane))
    } catch (error) {
      log.debug({ err: error }, 'no look at the alarms now')
    }
  }
}
