import type { AriesError } from '../errors.ts'

/** Which classes can start here: a new host that none of a class can start in has bad code. */
export class Starts {
  /** Starts that have not ended, by class. */
  readonly #begun = new Map<string, number>()
  readonly #able = new Set<string>()
  readonly #faults = new Map<string, string>()

  /** A worker of the class is to start. */
  begin(className: string): void {
    this.#begun.set(className, (this.#begun.get(className) ?? 0) + 1)
  }

  /** A worker of the class was started, or `error` came of it. */
  note(className: string, error?: AriesError): void {
    this.#begun.set(className, (this.#begun.get(className) ?? 1) - 1)
    if (error === undefined) this.#able.add(className)
    else if (error.code === 'ARIES_E_WORKER_FAILED' || error.code === 'ARIES_E_TIMEOUT') {
      this.#faults.set(className, error.message)
    }
  }

  /** Whether it is still open if any worker of some class starts. */
  get undecided(): boolean {
    for (const [className, count] of this.#begun) {
      if (count > 0 && !this.#able.has(className) && !this.#faults.has(className)) return true
    }
    return false
  }

  /** What is wrong with a class of which some were to start and none has. */
  get fault(): string | undefined {
    for (const [className, message] of this.#faults) {
      if (!this.#able.has(className)) return `no worker of class ${className} starts: ${message}`
    }
    return undefined
  }
}
