import type { Dispatcher } from 'undici'
import { untilAborted } from '../abort.ts'
import { formatAddress } from '../config/address.ts'
import { AriesError, fromBody, toAriesError } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import { Agent } from '../undici.ts'
import { HEADER, type OwnerAddress } from '../wire.ts'
import type { Nodes, NodeView } from './nodes.ts'

/** Nodes asked in one attempt; a hung one must not use up the time of the request. */
const NODES_MAX = 3
/** Resolving may include a whole failover; a node that takes longer is taken for hung. */
const ANSWER_TIMEOUT_MS = 2_000

/** To one node: many workers may lose their owner at once. */
const CONNECTIONS_MAX = 64

/** Asks nodes who owns a worker: `POST /rpc/resolve` at the data port of a random one. */
export class Resolver {
  readonly #nodes: Nodes
  readonly #onRefused: (node: string) => void
  readonly #agent: Dispatcher
  readonly #token: () => string
  /** Questions under way, by node. */
  readonly #asked = new Map<string, Set<AbortController>>()

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
    let error = new AriesError('ARIES_E_NODE_UNREACHABLE', 'no node is alive')
    for (const node of this.#nodes.toAsk(NODES_MAX)) {
      try {
        return await this.#ask(node, id, suspect)
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
    throw error
  }

  /** Gossip found the node dead: what it was asked, another is asked now. */
  nodeDown(id: string): void {
    for (const question of this.#asked.get(id) ?? []) question.abort()
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #ask(
    node: NodeView,
    id: WorkerId,
    suspect: OwnerAddress | undefined,
  ): Promise<OwnerAddress> {
    const question = new AbortController()
    const asked = this.#asked.get(node.id) ?? new Set()
    this.#asked.set(node.id, asked.add(question))
    try {
      return await this.#request(node, id, suspect, question.signal)
    } finally {
      asked.delete(question)
    }
  }

  async #request(
    node: NodeView,
    id: WorkerId,
    suspect: OwnerAddress | undefined,
    signal: AbortSignal,
  ): Promise<OwnerAddress> {
    const { host, dataPort } = node
    const token = this.#token()
    const response = this.#agent.request({
      origin: `http://${formatAddress(host, dataPort)}`,
      path: '/rpc/resolve',
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === '' ? undefined : { [HEADER.auth]: token }),
      },
      body: JSON.stringify({
        class: id.class,
        key: id.key,
        ...(suspect && { suspect: { node: suspect.node, epoch: suspect.epoch } }),
      }),
      signal,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    })
    const { statusCode, body } = await untilAborted(response, signal)
    const answer: unknown = await body.json().catch((thrown: unknown) => {
      throw toAriesError(thrown, 'ARIES_E_BAD_GATEWAY')
    })
    if (statusCode !== 200) {
      throw fromBody(answer) ?? new AriesError('ARIES_E_BAD_GATEWAY', `resolve: ${statusCode}`)
    }
    if (!isOwner(answer)) throw new AriesError('ARIES_E_BAD_GATEWAY', 'resolve: not an owner')
    return answer
  }
}

function isOwner(answer: unknown): answer is OwnerAddress {
  const owner = answer as Partial<OwnerAddress> | null
  return (
    typeof owner?.node === 'string' &&
    typeof owner.host === 'string' &&
    typeof owner.port === 'number' &&
    typeof owner.epoch === 'number'
  )
}
