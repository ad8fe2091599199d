/**
 * A frozen worker takes no requests; its alarm and its clients' messages wait. That it is frozen is a
 * section of its state that its author does not see, so it survives failovers and moves.
 */
import { AriesError } from '../errors.ts'
import { FROZEN_SECTION } from '../store/frozen.ts'
import type { SectionState } from '../worker/state.ts'
import type { Mail } from './mailbox.ts'
import type { OpenWorker } from './open-worker.ts'

export function isFrozen(state: SectionState): boolean {
  return state.sections.has(FROZEN_SECTION)
}

export function frozen(name: string): AriesError {
  return new AriesError('ARIES_E_FROZEN', `${name} is frozen`)
}

/** The turn that freezes or thaws a worker. Nothing of its author's is run, not even `start`. */
export class FreezeMail implements Mail {
  readonly arrivedMs: number
  readonly abandoned = false
  readonly whenFrozen = 'runs'
  readonly #worker: OpenWorker
  readonly #freeze: boolean
  readonly #ended: (error?: AriesError) => void

  /** `ended` hears when it is committed, or why it is not. */
  constructor(
    worker: OpenWorker,
    init: { freeze: boolean; arrivedMs: number },
    ended: (error?: AriesError) => void,
  ) {
    this.#worker = worker
    this.#freeze = init.freeze
    this.arrivedMs = init.arrivedMs
    this.#ended = ended
  }

  run(): void {
    const { state } = this.#worker
    if (this.#freeze === isFrozen(state)) return
    if (this.#freeze) state.keep(FROZEN_SECTION, new Uint8Array(0))
    else state.forget(FROZEN_SECTION)
  }

  succeed(): void {
    this.#ended()
  }

  fail(error: AriesError): void {
    this.#ended(error)
  }

  moved(): void {
    this.#ended(new AriesError('ARIES_E_NOT_OWNER', `${this.#worker.name} has just moved`))
  }
}
