import type { Clock } from '../world.ts'

const START_TIMEOUT_MS = 15_000

/** The first process of a kind: the node is not ready before it is up. */
export class FirstUp {
  #up: (() => void) | undefined

  /** Resolves with `up`; rejects when that is not called in time. `what`: for the message. */
  wait(clock: Clock, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = clock.after(START_TIMEOUT_MS, () =>
        reject(new Error(`no ${what} was ready after ${START_TIMEOUT_MS} ms`)),
      )
      this.#up = () => {
        late.cancel()
        resolve()
      }
    })
  }

  up(): void {
    this.#up?.()
    this.#up = undefined
  }
}
