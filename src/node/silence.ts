/**
 * How long a child has said nothing, counted in rounds of this loop and not by the clock: a node
 * that slept itself finds the child's messages waiting, not a child that was silent.
 */
export class Silence {
  #ms = 0

  get ms(): number {
    return this.#ms
  }

  /** A message came, or a new process was started. */
  ended(): void {
    this.#ms = 0
  }

  /** Another round of `roundMs` went by. */
  tick(roundMs: number): void {
    this.#ms += roundMs
  }
}
