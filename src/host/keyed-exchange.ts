import { createHash } from 'node:crypto'
import { AriesError } from '../errors.ts'
import { isInnerHeader } from '../wire.ts'
import type { Worker } from '../worker/worker.ts'
import { Exchange } from './exchange.ts'
import type { OpenWorker } from './open-worker.ts'
import { type KeptReply, REPLY_BYTES_MAX } from './replies.ts'
import { sendReply } from './response.ts'

/**
 * A request with an `Idempotency-Key`: the first one is run, and its reply is kept with what it
 * changed, in one commit; every other one gets that reply. Turns come one after the other, so one
 * that is sent while the first still runs waits for it in the mailbox.
 */
export class KeyedExchange extends Exchange {
  readonly #worker: OpenWorker
  readonly #key: string
  readonly #wallMs: () => number
  #replayed = false

  constructor(
    components: ConstructorParameters<typeof Exchange>[0] & {
      worker: OpenWorker
      wallMs: () => number
    },
    init: ConstructorParameters<typeof Exchange>[1] & { key: string },
  ) {
    super(components, init)
    this.#worker = components.worker
    this.#wallMs = components.wallMs
    this.#key = init.key
  }

  /** Its reply is kept. */
  override get isRead(): boolean {
    return false
  }

  override run(instance: Worker): unknown {
    const nowMs = this.#wallMs()
    const fingerprint = this.#fingerprint()
    const kept = this.#worker.replies.get(this.#key, nowMs)
    if (!kept) return this.#runOnce(instance, fingerprint, nowMs)
    if (kept.fingerprint !== fingerprint) {
      throw new AriesError(
        'ARIES_E_KEY_REUSED',
        `the Idempotency-Key "${this.#key}" was used for another request`,
      )
    }
    this.#replayed = true
    return kept
  }

  /** `run` has looked at the response itself. */
  override fault(): undefined {
    return undefined
  }

  override succeed(result: unknown): void {
    sendReply(this.res, this.node, result as KeptReply, this.#replayed)
  }

  async #runOnce(instance: Worker, fingerprint: string, atMs: number): Promise<KeptReply> {
    // Whose state this turn is about: when the turn takes too long the worker gets another one.
    const { replies } = this.#worker
    const response: unknown = await super.run(instance)
    const fault = super.fault(response)
    if (fault) throw fault
    const reply = { fingerprint, atMs, ...(await readReply(response as Response)) }
    replies.keep(this.#key, reply)
    return reply
  }

  #fingerprint(): string {
    const digest = createHash('sha256').update(`${this.req.method} ${this.req.url}\n`)
    if (this.body) digest.update(this.body)
    return digest.digest('base64')
  }
}

async function readReply(
  response: Response,
): Promise<Pick<KeptReply, 'status' | 'headers' | 'body'>> {
  const headers = [...response.headers].filter(([name]) => !isInnerHeader(name))
  let bytes = 0
  for (const [name, value] of headers) bytes += name.length + value.length
  const chunks: Uint8Array[] = []
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the body.
    if (bytes > REPLY_BYTES_MAX) break
    chunks.push(chunk)
  }
  if (bytes > REPLY_BYTES_MAX) {
    throw new AriesError(
      'ARIES_E_REPLY_TOO_LARGE',
      `the reply to a request with an Idempotency-Key may have ${REPLY_BYTES_MAX} bytes; nothing was applied`,
    )
  }
  return { status: response.status, headers, body: Buffer.concat(chunks) }
}
