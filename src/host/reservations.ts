import type { WorkerId } from '../identity.ts'
import type { Clock } from '../world.ts'
import type { FromHost } from './ipc.ts'

export interface ReservationsComponents {
  readonly clock: Clock
  readonly send: (message: FromHost) => void
}

/** Asks the control loop whether a worker, or a copy of one, may come: it checks room, cordon, drain. */
export class Reservations {
  readonly #c: ReservationsComponents
  readonly #timeoutMs: number
  readonly #waiting = new Map<number, (refusal: string | undefined) => void>()
  #calls = 0

  constructor(components: ReservationsComponents, init: { readonly timeoutMs: number }) {
    this.#c = components
    this.#timeoutMs = init.timeoutMs
  }

  /** Resolves with the reason why not, or undefined. */
  ask(id: WorkerId, from: string, stateBytes: number): Promise<string | undefined> {
    const call = ++this.#calls
    return new Promise((resolve) => {
      const settle = (refusal: string | undefined): void => {
        timer.cancel()
        this.#waiting.delete(call)
        resolve(refusal)
      }
      const timer = this.#c.clock.after(this.#timeoutMs, () => settle('its node does not answer'))
      this.#waiting.set(call, settle)
      this.#c.send({ type: 'reserve', call, id, from, stateBytes })
    })
  }

  answered(call: number, refusal: string | undefined): void {
    this.#waiting.get(call)?.(refusal)
  }
}
