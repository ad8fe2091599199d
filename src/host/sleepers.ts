/**
 * What is left of the workers that sleep in this host: some numbers, and of a small one its state.
 * That is no older than the store's: the host owns the worker on, only its own turns change it, and
 * when the node is fenced it is dropped like the others.
 */
import { Packr } from 'msgpackr'
import { ALARM_SECTION, decodeAlarm } from '../store/alarm.ts'
import type { Clock } from '../world.ts'
import { Agenda } from './agenda.ts'
import type { OpenWorker } from './open-worker.ts'
import type { StateAtHand } from './worker-table.ts'

/** A larger state is let go of, and loaded from the store again; waking then takes a read of it. */
const KEPT_BYTES_MAX = 1_024
/** Alarms of workers that woke meanwhile are swept out when there are more of them than of others. */
const STALE_MIN = 64

const packr = new Packr({ useRecords: false })

export interface Sleeper {
  readonly name: string
  readonly epoch: number
  readonly seq: number
  readonly version: number
  readonly stateBytes: number
  readonly sections: number
  readonly openedMs: number
  /** Its sections, packed, one letter a byte: a string costs half of what a buffer does. */
  readonly packed: string | undefined
  /** When its alarm is due, wall clock; undefined: it has none. */
  readonly dueMs: number | undefined
}

/** What stays of a worker of which all is committed. */
export function sleeperOf(worker: OpenWorker): Sleeper {
  const { name, epoch, seq, version, state, meter } = worker
  const { sections } = state
  const alarm = sections.get(ALARM_SECTION)
  return {
    name,
    epoch,
    seq,
    version,
    stateBytes: state.bytes,
    sections: sections.size,
    openedMs: meter.openedMs,
    packed:
      state.bytes <= KEPT_BYTES_MAX ? packr.pack([...sections]).toString('latin1') : undefined,
    dueMs: alarm && decodeAlarm(alarm).dueMs,
  }
}

/** Its state, if that is at hand. */
export function stateOf(sleeper: Sleeper): StateAtHand | undefined {
  const { epoch, seq, version, packed } = sleeper
  if (packed === undefined) return undefined
  const sections = packr.unpack(Buffer.from(packed, 'latin1')) as [string, Uint8Array][]
  return {
    epoch,
    seq,
    version,
    // Exact copies: what was unpacked are views of one buffer.
    sections: sections.map(([name, value]) => [name, new Uint8Array(value)] as const),
  }
}

export class Sleepers {
  readonly #asleep = new Map<string, Sleeper>()
  readonly #alarms: Agenda<Sleeper>
  #alarmCount = 0

  /** `ring`: the alarm of a worker that sleeps is due. */
  constructor(components: { clock: Clock }, init: { ring: (name: string) => void }) {
    this.#alarms = new Agenda(components, {
      nowMs: components.clock.wallMs,
      due: (sleeper) => {
        if (this.#holds(sleeper)) init.ring(sleeper.name)
      },
    })
  }

  get size(): number {
    return this.#asleep.size
  }

  get(name: string): Sleeper | undefined {
    return this.#asleep.get(name)
  }

  add(sleeper: Sleeper): void {
    this.delete(sleeper.name)
    this.#asleep.set(sleeper.name, sleeper)
    if (sleeper.dueMs === undefined) return
    this.#alarmCount++
    this.#alarms.add(sleeper.dueMs, sleeper)
    if (this.#alarms.size > 2 * this.#alarmCount + STALE_MIN) {
      this.#alarms.prune((one) => this.#holds(one))
    }
  }

  delete(name: string): boolean {
    if (this.#asleep.get(name)?.dueMs !== undefined) this.#alarmCount--
    return this.#asleep.delete(name)
  }

  /** Its alarm could not be rung: it is tried again after `delayMs`. */
  postpone(name: string, dueMs: number): void {
    const sleeper = this.#asleep.get(name)
    if (sleeper) this.#alarms.add(dueMs, sleeper)
  }

  clear(): void {
    this.#asleep.clear()
    this.#alarms.clear()
    this.#alarmCount = 0
  }

  /** Rings no alarm any more. */
  stop(): void {
    this.#alarms.clear()
  }

  #holds(sleeper: Sleeper): boolean {
    return this.#asleep.get(sleeper.name) === sleeper
  }
}
