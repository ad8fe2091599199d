import type { Target } from '../plan.ts'
import { LOST_ATTEMPTS_MAX, LOST_TARGETS_MAX } from './limits.ts'

/**
 * The attempts of a request whose connection was lost while the target had it. The request itself may
 * be what ends its targets: it must not go through all of them.
 */
export class LostTargets {
  readonly #poolKeys = new Set<string>()
  #attempts = 0

  add({ poolKey }: Target): void {
    this.#attempts++
    this.#poolKeys.add(poolKey)
  }

  get areTooMany(): boolean {
    return this.#poolKeys.size >= LOST_TARGETS_MAX || this.#attempts >= LOST_ATTEMPTS_MAX
  }
}
