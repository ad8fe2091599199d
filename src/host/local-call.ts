import { type Outcome, tooLarge } from '../calls/attempt.ts'
import type { LocalAttempt } from '../calls/caller.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { isInnerHeader, type OwnerAddress } from '../wire.ts'
import type { Worker } from '../worker/worker.ts'
import { type Invocation, Reply, readUpTo } from './invocation.ts'
import type { Mail } from './mailbox.ts'

/** A call from a worker to one in the same host: no socket, all else as over one. */
export class LocalCall implements Mail, LocalAttempt {
  readonly arrivedMs: number
  readonly chain: readonly string[]
  readonly outcome: Promise<Outcome>
  readonly #invocation: Invocation
  readonly #answerBytesMax: number
  readonly #signal: AbortSignal
  readonly #settle: (outcome: Outcome) => void
  #began = false

  constructor(
    components: { invocation: Invocation; signal: AbortSignal },
    init: { arrivedMs: number; chain: readonly string[]; answerBytesMax: number },
  ) {
    this.#invocation = components.invocation
    this.#signal = components.signal
    this.arrivedMs = init.arrivedMs
    this.chain = init.chain
    this.#answerBytesMax = init.answerBytesMax
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.outcome = promise
    this.#settle = resolve
  }

  readonly began = (): boolean => this.#began

  get abandoned(): boolean {
    return this.#signal.aborted
  }

  get isRead(): boolean {
    return this.#invocation.isRead
  }

  run(instance: Worker): unknown {
    this.#began = true
    return this.#invocation.run(instance)
  }

  fault(result: unknown): AriesError | undefined {
    return this.#invocation.fault(result)
  }

  succeed(result: unknown): void {
    if (result instanceof Reply) {
      this.#settle({ kind: 'answered', answer: result.kept })
      return
    }
    this.#read(result as Response).then(this.#settle, (error: unknown) => {
      const message = `the turn is committed, but the body of its response failed: ${toAriesError(error).message}`
      this.#settle({ kind: 'fault', error: new AriesError('ARIES_E_WORKER_FAILED', message) })
    })
  }

  fail(error: AriesError): void {
    if (error.code === 'ARIES_E_NOT_OWNER') this.#settle({ kind: 'not-owner' })
    else this.#settle({ kind: 'fault', error })
  }

  overdue(error: AriesError): void {
    this.fail(error)
  }

  moved(owner: OwnerAddress): void {
    this.#settle({ kind: 'not-owner', owner })
  }

  async #read(response: Response): Promise<Outcome> {
    const { status } = response
    const body = await readUpTo(response, this.#answerBytesMax)
    if (!body) return { kind: 'fault', error: tooLarge(this.#answerBytesMax) }
    const headers = [...response.headers].filter(([name]) => !isInnerHeader(name))
    const answer = { status, headers, body }
    return { kind: 'answered', answer }
  }
}
