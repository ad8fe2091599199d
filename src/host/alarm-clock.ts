/** The alarm of one open worker: a timer for what its state says, and the turns that come of it. */
import type { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { ALARM_SECTION, type Alarm, decodeAlarm, encodeAlarm } from '../store/alarm.ts'
import type { SectionState } from '../worker/state.ts'
import type { AlarmSetting, Worker } from '../worker/worker.ts'
import type { Clock, TimerHandle } from '../world.ts'
import type { Mail } from './mailbox.ts'

/** Attempts after the first one that failed. */
const RETRIES_MAX = 10
const BACKOFF_FIRST_MS = 1_000
const BACKOFF_MAX_MS = 60_000
/** While the store is lost nothing counts as an attempt. */
const STORE_RETRY_MS = 1_000
/** A timer cannot be set further ahead than 2^31 ms; it is set anew. */
const TIMER_MS_MAX = 3_600_000

export interface AlarmClockComponents {
  readonly clock: Clock
  readonly log: Logger
  /** The state of now: it is another object when a turn was given up. */
  readonly state: () => SectionState
  readonly offer: (mail: Mail) => void
}

export class AlarmClock {
  readonly #c: AlarmClockComponents
  readonly #worker: string
  #timer: TimerHandle | undefined
  /** What the timer is set for. */
  #armed: Uint8Array | undefined
  /** Its mail waits or runs. */
  #rings = false
  #stopped = false

  constructor(components: AlarmClockComponents, worker: string) {
    this.#c = components
    this.#worker = worker
  }

  /** After every turn: sets the timer for what the state says now. */
  arm(): void {
    const value = this.#c.state().sections.get(ALARM_SECTION)
    if (value === this.#armed || this.#rings || this.#stopped) return
    this.#armed = value
    this.#timer?.cancel()
    if (value !== undefined) this.#wait(decodeAlarm(value).dueMs)
  }

  /** The worker is no longer here. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #wait(dueMs: number): void {
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(0, dueMs - this.#c.clock.wallMs()))
    this.#timer = this.#c.clock.after(delayMs, () => {
      if (this.#c.clock.wallMs() < dueMs) this.#wait(dueMs)
      else this.#ring(new RingMail(this.#c, this.#ended))
    })
  }

  #ring(mail: Mail): void {
    this.#rings = true
    this.#c.offer(mail)
  }

  readonly #ended = (error: AriesError | undefined, alarm: Alarm | undefined): void => {
    this.#rings = false
    this.#armed = undefined
    if (this.#stopped) return
    if (error?.code === 'ARIES_E_STORE') {
      this.#armed = this.#c.state().sections.get(ALARM_SECTION)
      this.#timer = this.#c.clock.after(STORE_RETRY_MS, () => {
        this.#armed = undefined
        this.arm()
      })
    } else if (error && alarm) {
      this.#c.log.warn({ worker: this.#worker, alarm, code: error.code }, 'alarm failed')
      this.#ring(new PostponeMail(this.#c, alarm, this.#ended))
    } else this.arm()
  }
}

type Ended = (error: AriesError | undefined, alarm: Alarm | undefined) => void

abstract class AlarmMail implements Mail {
  readonly arrivedMs: number
  readonly abandoned = false
  readonly whenFrozen = 'waits'
  protected readonly c: AlarmClockComponents
  readonly #ended: Ended
  /** What was tried. */
  protected tried: Alarm | undefined

  constructor(components: AlarmClockComponents, ended: Ended) {
    this.c = components
    this.#ended = ended
    this.arrivedMs = components.clock.nowMs()
  }

  abstract run(instance: Worker): unknown

  succeed(): void {
    this.#ended(undefined, undefined)
  }

  fail(error: AriesError): void {
    this.#ended(error, this.tried)
  }

  /** It rings where the worker is now. */
  moved(): void {}
}

/** The turn of an alarm: it is no more, unless the turn sets another or does not count. */
class RingMail extends AlarmMail {
  run(instance: Worker): unknown {
    const state = this.c.state()
    const value = state.sections.get(ALARM_SECTION)
    if (value === undefined) return undefined
    const alarm = decodeAlarm(value)
    // It was set anew while this waited.
    if (alarm.dueMs > this.c.clock.wallMs()) return undefined
    this.tried = alarm
    state.forget(ALARM_SECTION)
    return instance.alarm?.(alarm.atMs)
  }
}

/** After an attempt that failed: later again, or never. */
class PostponeMail extends AlarmMail {
  readonly #alarm: Alarm

  constructor(components: AlarmClockComponents, alarm: Alarm, ended: Ended) {
    super(components, ended)
    this.#alarm = alarm
  }

  run(): void {
    const state = this.c.state()
    const value = state.sections.get(ALARM_SECTION)
    const { dueMs, atMs, attempts } = this.#alarm
    if (value === undefined || decodeAlarm(value).dueMs !== dueMs) return
    if (attempts >= RETRIES_MAX) {
      this.c.log.error({ alarm: this.#alarm }, 'alarm given up')
      state.forget(ALARM_SECTION)
      return
    }
    const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempts)
    const next = { dueMs: this.c.clock.wallMs() + delayMs, atMs, attempts: attempts + 1 }
    state.keep(ALARM_SECTION, encodeAlarm(next))
  }
}

/** What an instance sets and sees, also within the turn that sets it. */
export function alarmSetting(state: SectionState): AlarmSetting {
  return {
    get() {
      const value = state.own(ALARM_SECTION)
      return value === undefined ? null : decodeAlarm(value).atMs
    },
    set(atMs) {
      if (atMs === null) state.forget(ALARM_SECTION)
      else state.keep(ALARM_SECTION, encodeAlarm({ dueMs: atMs, atMs, attempts: 0 }))
    },
  }
}
