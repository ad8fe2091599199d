import { Agent } from 'undici'
import { AriesError, fromBody } from './errors.ts'
import type { Membership } from './gossip/types.ts'
import type { Rpc, RpcName } from './rpc.ts'
import { HEADER } from './wire.ts'

const CONNECT_TIMEOUT_MS = 500
/** Longer than the longest wait of a callee (`move` carries its own). */
const CALL_TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 64 * 1024 * 1024

export interface CallOptions {
  /** From the call to the whole answer. Default 10 s. */
  readonly timeoutMs?: number
}

/**
 * Calls other nodes on their data ports. An error that the peer answered is thrown as what it is;
 * everything else is `ARIES_E_NODE_UNREACHABLE`, and `isRefused` tells whether that is proof that
 * nobody listens there any more.
 */
export class Peers {
  readonly #membership: Pick<Membership, 'member' | 'reportRefused'>
  readonly #token: string
  readonly #agent: Agent

  constructor(
    components: { membership: Pick<Membership, 'member' | 'reportRefused'> },
    init: { token: string },
  ) {
    this.#membership = components.membership
    this.#token = init.token
    this.#agent = new Agent({
      connect: { timeout: CONNECT_TIMEOUT_MS },
      allowH2: false,
      connections: 16,
      pipelining: 1,
      keepAliveTimeout: 10_000,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  /**
   * Throws `ARIES_E_NODE_UNKNOWN` when there is no such member, `ARIES_E_NODE_UNREACHABLE` when it
   * does not answer, else what the peer answered.
   */
  async call<N extends RpcName>(
    node: string,
    name: N,
    params: Rpc[N]['params'],
    options: CallOptions = {},
  ): Promise<Rpc[N]['result']> {
    const member = this.#membership.member(node)
    if (member?.role !== 'node') {
      throw new AriesError('ARIES_E_NODE_UNKNOWN', `there is no node "${node}" in the map`)
    }
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS
    try {
      const response = await this.#agent.request({
        origin: `http://${member.host}:${member.dataPort}`,
        path: `/rpc/${name}`,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(this.#token === '' ? {} : { [HEADER.auth]: this.#token }),
        },
        body: JSON.stringify(params),
        signal: AbortSignal.timeout(timeoutMs),
      })
      const answer = await readJson(response.body)
      if (response.statusCode === 200) return answer as Rpc[N]['result']
      throw (
        fromBody(answer) ??
        new AriesError(
          'ARIES_E_NODE_UNREACHABLE',
          `node ${node} answered ${name} with status ${response.statusCode}`,
        )
      )
    } catch (thrown) {
      if (thrown instanceof AriesError) throw thrown
      if (causeCode(thrown) === 'ECONNREFUSED') this.#membership.reportRefused(node)
      throw new AriesError(
        'ARIES_E_NODE_UNREACHABLE',
        `node ${node} does not answer at ${member.host}:${member.dataPort} (${describe(thrown, timeoutMs)})`,
        { cause: thrown },
      )
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** True when the error of a call proves that nobody listens on the node's data port. */
export function isRefused(error: unknown): boolean {
  return error instanceof AriesError && causeCode(error.cause) === 'ECONNREFUSED'
}

async function readJson(body: AsyncIterable<Buffer>): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`answer of more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString())
}

function causeCode(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

function describe(thrown: unknown, timeoutMs: number): string {
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return `after ${timeoutMs} ms`
  return causeCode(thrown) ?? (thrown instanceof Error ? thrown.message : String(thrown))
}
