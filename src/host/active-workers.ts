/**
 * The workers that did something lately, by name: the only ones that sweeps and reports look at, so
 * that those that do nothing cost nothing.
 */
export class ActiveWorkers {
  /** When each was last told of, the longest ago first; 0: something has happened since. */
  readonly #toldMs = new Map<string, number>()

  /** Something happens to the worker, or its figures have changed. */
  note(name: string): void {
    this.#toldMs.set(name, 0)
  }

  /** Its figures were told at `nowMs`; 0: they are to be told the next time, too. */
  told(name: string, nowMs: number): void {
    // Anew, so that it stands last.
    this.#toldMs.delete(name)
    this.#toldMs.set(name, nowMs)
  }

  /** What there was to tell of it is told. */
  settled(name: string): void {
    this.#toldMs.delete(name)
  }

  names(): IterableIterator<string> {
    return this.#toldMs.keys()
  }

  /** A copy: what is told moves to the end. */
  entries(): [name: string, toldMs: number][] {
    return [...this.#toldMs]
  }
}
