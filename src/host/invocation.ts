/** What a request asks of a worker, apart from how it came and how it is answered. */
import { createHash } from 'node:crypto'
import { AriesError } from '../errors.ts'
import { isInnerHeader } from '../wire.ts'
import type { Worker } from '../worker/worker.ts'
import { callMethod } from './method-call.ts'
import type { OpenWorker } from './open-worker.ts'
import { type KeptReply, REPLY_BYTES_MAX } from './replies.ts'

export interface Asked {
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Names and values in turn, as sent; inner ones are kept from the author. */
  readonly rawHeaders: readonly string[]
  readonly body: Uint8Array | undefined
  /** The method of the class that is called; undefined: `fetch`. */
  readonly calls: string | undefined
  readonly answerBytesMax: number
}

/** A reply that is kept by `Idempotency-Key`; `replayed`: it was given before. */
export class Reply {
  readonly kept: KeptReply
  readonly replayed: boolean

  constructor(kept: KeptReply, replayed: boolean) {
    this.kept = kept
    this.replayed = replayed
  }
}

export interface Invocation {
  /** It is to change nothing: others may run at the same time. */
  readonly isRead: boolean
  /** Gives a `Response` or a `Reply`, unless the author's code is wrong. */
  run(instance: Worker): unknown
  fault(result: unknown): AriesError | undefined
}

export class PlainInvocation implements Invocation {
  readonly #asked: Asked

  constructor(asked: Asked) {
    this.#asked = asked
  }

  get isRead(): boolean {
    const { method, calls } = this.#asked
    return calls === undefined && (method === 'GET' || method === 'HEAD')
  }

  run(instance: Worker): unknown {
    const { calls, body, answerBytesMax } = this.#asked
    if (calls !== undefined) return callMethod(instance, calls, body, answerBytesMax)
    return instance.fetch(requestOf(this.#asked))
  }

  fault(result: unknown): AriesError | undefined {
    if (result instanceof Response) return undefined
    return new AriesError('ARIES_E_WORKER_FAILED', 'fetch did not return a Response')
  }
}

/**
 * With an `Idempotency-Key`: the first one is run, and its reply is kept with what it changed, in
 * one commit; every other one gets that reply. Turns come one after the other, so one that is sent
 * while the first still runs waits for it in the mailbox.
 */
export class KeyedInvocation implements Invocation {
  /** Its reply is kept. */
  readonly isRead = false
  readonly #plain: PlainInvocation
  readonly #asked: Asked
  readonly #worker: OpenWorker
  readonly #wallMs: () => number
  readonly #key: string

  constructor(
    components: { worker: OpenWorker; wallMs: () => number },
    init: { asked: Asked; key: string },
  ) {
    this.#plain = new PlainInvocation(init.asked)
    this.#asked = init.asked
    this.#worker = components.worker
    this.#wallMs = components.wallMs
    this.#key = init.key
  }

  run(instance: Worker): unknown {
    const nowMs = this.#wallMs()
    const fingerprint = this.#fingerprint()
    const kept = this.#worker.replies.get(this.#key, nowMs)
    if (!kept) return this.#runOnce(instance, fingerprint, nowMs)
    if (kept.fingerprint === fingerprint) return new Reply(kept, true)
    throw new AriesError(
      'ARIES_E_KEY_REUSED',
      `the Idempotency-Key "${this.#key}" was used for another request`,
    )
  }

  /** `run` has looked at the response itself. */
  fault(): undefined {
    return undefined
  }

  async #runOnce(instance: Worker, fingerprint: string, atMs: number): Promise<Reply> {
    // Whose state this turn is about: when the turn takes too long the worker gets another one.
    const { replies } = this.#worker
    const response: unknown = await this.#plain.run(instance)
    const fault = this.#plain.fault(response)
    if (fault) throw fault
    const reply = { fingerprint, atMs, ...(await readReply(response as Response)) }
    replies.keep(this.#key, reply)
    return new Reply(reply, false)
  }

  #fingerprint(): string {
    const { method, url, body } = this.#asked
    const digest = createHash('sha256').update(`${method} ${url}\n`)
    if (body) digest.update(body)
    return digest.digest('base64')
  }
}

function requestOf({ method, url, rawHeaders, body }: Asked): Request {
  let host = 'localhost'
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === 'host') host = rawHeaders[i + 1]!
  }
  const init: RequestInit = { method }
  // `Request` throws for a body where HTTP gives it no meaning.
  if (body && method !== 'GET' && method !== 'HEAD') init.body = body as Uint8Array<ArrayBuffer>
  try {
    const request = new Request(`http://${host}${url}`, init)
    // One by one: given with `init` they are converted first, at the cost of the request itself.
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!
      if (!isInnerHeader(name.toLowerCase())) request.headers.append(name, rawHeaders[i + 1]!)
    }
    return request
  } catch (error) {
    throw new AriesError('ARIES_E_BAD_REQUEST', `no request for a worker: ${String(error)}`)
  }
}

async function readReply(
  response: Response,
): Promise<Pick<KeptReply, 'status' | 'headers' | 'body'>> {
  const headers = [...response.headers].filter(([name]) => !isInnerHeader(name))
  let bytes = 0
  for (const [name, value] of headers) bytes += name.length + value.length
  const body = await readUpTo(response, REPLY_BYTES_MAX - bytes)
  if (!body) {
    throw new AriesError(
      'ARIES_E_REPLY_TOO_LARGE',
      `the reply to a request with an Idempotency-Key may have ${REPLY_BYTES_MAX} bytes; nothing was applied`,
    )
  }
  return { status: response.status, headers, body }
}

/** The whole body; undefined when it is larger. */
export async function readUpTo(
  response: Response,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  let bytes = 0
  const chunks: Uint8Array[] = []
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the body.
    if (bytes > bytesMax) break
    chunks.push(chunk)
  }
  if (bytes > bytesMax) return undefined
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}
