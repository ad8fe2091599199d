import type { EventEmitter } from 'node:events'

type Listener = readonly [event: string, listen: (...args: never[]) => void]

/** The listeners of one owner on one emitter, so that they can be taken off without touching others'. */
export class Listeners {
  readonly #emitter: EventEmitter
  readonly #listeners: readonly Listener[]

  constructor(emitter: EventEmitter, listeners: readonly Listener[]) {
    this.#emitter = emitter
    this.#listeners = listeners
    for (const [event, listen] of listeners) emitter.on(event, listen as () => void)
  }

  remove(): void {
    for (const [event, listen] of this.#listeners) this.#emitter.off(event, listen as () => void)
  }
}
