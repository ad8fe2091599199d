import type { AriesError } from '../errors.ts'
import type { OwnerAddress } from '../wire.ts'
import type { Worker } from '../worker/index.ts'

/** Something that happens to a worker: a request, a session's message. It is run as one turn. */
export interface Mail {
  readonly arrivedMs: number
  /** The workers that wait for it, outermost first; undefined: none does. */
  readonly chain?: readonly string[]
  /** Whoever sent it has gone: it need not be run. */
  readonly abandoned: boolean
  /**
   * What becomes of it while the worker is frozen; undefined: it is refused. What runs then calls
   * nothing of the author's, not even `start`.
   */
  readonly whenFrozen?: 'waits' | 'runs'
  /** It changes nothing, so it may run together with others of its kind. */
  readonly isRead?: boolean
  /** Calls the author's code. */
  run(instance: Worker): unknown
  /** What is wrong with what `run` gave: the turn then counts as thrown. */
  fault?(result: unknown): AriesError | undefined
  /** The turn is committed; `result` is what `run` gave. */
  succeed(result: unknown): void
  /** It was not run, it threw, or its turn was not committed. */
  fail(error: AriesError): void
  /** Its turn is over, but it takes too long to commit it; `succeed` or `fail` follow all the same. */
  overdue?(error: AriesError): void
  /** It was not run; the worker now lives there. */
  moved(owner: OwnerAddress): void
}

/** What waits for a worker, in order of arrival, up to a limit. */
export class Mailbox {
  sizeMax: number
  #queue: (Mail | undefined)[] = []
  #head = 0

  constructor(sizeMax: number) {
    this.sizeMax = sizeMax
  }

  get size(): number {
    return this.#queue.length - this.#head
  }

  /** False when it is full; `always` is for mail whose number another limit holds down. */
  push(mail: Mail, always = false): boolean {
    if (!always && this.size >= this.sizeMax) return false
    this.#queue.push(mail)
    return true
  }

  /** The first that runs while the worker is frozen. */
  peekFrozen(): Mail | undefined {
    for (let i = this.#head; i < this.#queue.length; i++) {
      if (this.#queue[i]!.whenFrozen === 'runs') return this.#queue[i]
    }
    return undefined
  }

  take(mail: Mail): void {
    if (mail === this.peek()) this.shift()
    else this.#queue.splice(this.#queue.indexOf(mail), 1)
  }

  /** Takes those out that do not wait while the worker is frozen. */
  takeImpatient(): Mail[] {
    const all = this.takeAll()
    this.#queue = all.filter(({ whenFrozen }) => whenFrozen !== undefined)
    return all.filter(({ whenFrozen }) => whenFrozen === undefined)
  }

  peek(): Mail | undefined {
    return this.#queue[this.#head]
  }

  shift(): Mail | undefined {
    const mail = this.#queue[this.#head]
    if (mail === undefined) return undefined
    // Who holds on to what was taken keeps requests and bodies alive, for each worker some.
    this.#queue[this.#head++] = undefined
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    }
    // Dropping the consumed part now and then keeps `shift` cheap for long queues.
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    return mail
  }

  /** Those that have waited since before `beforeMs`. */
  *takeOlder(beforeMs: number): Iterable<Mail> {
    for (let first = this.peek(); first && first.arrivedMs < beforeMs; first = this.peek()) {
      yield this.shift()!
    }
  }

  takeAll(): Mail[] {
    const all = this.#queue.slice(this.#head) as Mail[]
    this.#queue = []
    this.#head = 0
    return all
  }
}
