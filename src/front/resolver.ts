import type { Dispatcher } from 'undici'
import { untilAborted } from '../abort.ts'
import { formatAddress } from '../config/address.ts'
import { AriesError, fromBody } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import {
  AnswerDecoder,
  OWNERS_PATH,
  type OwnerQuestion,
  QUESTIONS_MAX,
} from '../owner-questions.ts'
import { Agent } from '../undici.ts'
import { HEADER, type OwnerAddress } from '../wire.ts'
import type { Nodes, NodeView } from './nodes.ts'

/** Nodes asked in one attempt; a hung one must not use up the time of the request. */
const NODES_MAX = 3
/** Resolving may include a whole failover; a node that takes longer is taken for hung. */
const ANSWER_TIMEOUT_MS = 2_000

/** To one node: many workers may lose their owner at once. */
const CONNECTIONS_MAX = 64

/** A question and who waits for its answer. */
interface Asked {
  readonly question: OwnerQuestion
  readonly resolve: (owner: OwnerAddress) => void
  readonly reject: (error: unknown) => void
}

/**
 * Asks nodes who owns a worker, each time a random one. What arises in one turn of the event loop
 * goes to a node together.
 */
export class Resolver {
  readonly #nodes: Nodes
  readonly #onRefused: (node: string) => void
  readonly #agent: Dispatcher
  readonly #token: () => string
  /** Questions that leave at the end of this turn, by node. */
  readonly #gathered = new Map<string, Asked[]>()
  /** Requests under way, by node. */
  readonly #calls = new Map<string, Set<AbortController>>()

  /** `onRefused`: nobody listens at the data port of that node. `token`: for `aries-auth`. */
  constructor(
    components: { nodes: Nodes; onRefused: (node: string) => void },
    init: { token: () => string; connectTimeoutMs: number },
  ) {
    this.#nodes = components.nodes
    this.#onRefused = components.onRefused
    this.#token = init.token
    this.#agent = new Agent({
      connect: { timeout: init.connectTimeoutMs },
      connections: CONNECTIONS_MAX,
      allowH2: false,
    })
  }

  /**
   * One attempt: a random node, and others while connections fail. Throws what the node answered,
   * or `ARIES_E_NODE_UNREACHABLE`.
   */
  async resolve(id: WorkerId, suspect: OwnerAddress | undefined): Promise<OwnerAddress> {
    let error: AriesError | undefined
    const question: OwnerQuestion = {
      class: id.class,
      key: id.key,
      ...(suspect && { suspect: { node: suspect.node, epoch: suspect.epoch } }),
    }
    for (const node of this.#nodes.toAsk(NODES_MAX)) {
      try {
        return await this.#ask(node, question)
      } catch (thrown) {
        if (thrown instanceof AriesError) throw thrown
        const cause = thrown as NodeJS.ErrnoException
        if (cause.code === 'ECONNREFUSED') this.#onRefused(node.id)
        error = new AriesError(
          'ARIES_E_NODE_UNREACHABLE',
          `${node.id} at ${node.host}:${node.dataPort}: ${cause.message}`,
        )
      }
    }
    throw error ?? new AriesError('ARIES_E_NODE_UNREACHABLE', 'no node is alive')
  }

  /** Gossip found the node dead: what it was asked, another is asked now. */
  nodeDown(id: string): void {
    for (const call of this.#calls.get(id) ?? []) call.abort()
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  #ask(node: NodeView, question: OwnerQuestion): Promise<OwnerAddress> {
    return new Promise((resolve, reject) => {
      const gathered = this.#gathered.get(node.id)
      if (gathered && gathered.length < QUESTIONS_MAX) {
        gathered.push({ question, resolve, reject })
        return
      }
      const asked: Asked[] = [{ question, resolve, reject }]
      this.#gathered.set(node.id, asked)
      setImmediate(() => {
        if (this.#gathered.get(node.id) === asked) this.#gathered.delete(node.id)
        void this.#call(node, asked)
      })
    })
  }

  /** Whoever has no answer when it ends hears why, so that another node is asked. */
  async #call(node: NodeView, asked: readonly Asked[]): Promise<void> {
    const call = new AbortController()
    const calls = this.#calls.get(node.id) ?? new Set()
    this.#calls.set(node.id, calls.add(call))
    const limit = setTimeout(() => {
      call.abort(new Error(`not answered within ${ANSWER_TIMEOUT_MS} ms`))
    }, ANSWER_TIMEOUT_MS)
    let why: unknown = new Error('the answer broke off')
    try {
      await untilAborted(this.#request(node, asked, call.signal), call.signal)
    } catch (error) {
      why = error
    } finally {
      clearTimeout(limit)
      calls.delete(call)
    }
    for (const { reject } of asked) reject(why)
  }

  async #request(node: NodeView, asked: readonly Asked[], signal: AbortSignal): Promise<void> {
    const token = this.#token()
    const { statusCode, body } = await this.#agent.request({
      origin: `http://${formatAddress(node.host, node.dataPort)}`,
      path: OWNERS_PATH,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === '' ? undefined : { [HEADER.auth]: token }),
      },
      body: JSON.stringify({ questions: asked.map(({ question }) => question) }),
      signal,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    })
    if (statusCode !== 200) throw await refusal(statusCode, body)
    const decoder = new AnswerDecoder(asked.length)
    for await (const chunk of body as AsyncIterable<Buffer>) {
      for (const [n, answer] of answersIn(decoder, chunk)) {
        const { resolve, reject } = asked[n]!
        if (answer instanceof AriesError) reject(answer)
        else resolve(answer)
      }
    }
  }
}

async function refusal(status: number, body: Dispatcher.BodyMixin): Promise<AriesError> {
  const answer: unknown = await body.json().catch(() => undefined)
  return fromBody(answer) ?? new AriesError('ARIES_E_BAD_GATEWAY', `owners: ${status}`)
}

function answersIn(decoder: AnswerDecoder, chunk: Buffer): ReturnType<AnswerDecoder['push']> {
  try {
    return decoder.push(chunk)
  } catch (error) {
    throw new AriesError('ARIES_E_BAD_GATEWAY', `owners: ${(error as Error).message}`)
  }
}
