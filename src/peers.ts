import type { Readable } from 'node:stream'
import { untilAborted } from './abort.ts'
import type { Tokens } from './auth.ts'
import { AriesError, fromBody } from './errors.ts'
import type { Membership } from './gossip/types.ts'
import type { Rpc, RpcName } from './rpc.ts'
import { Agent } from './undici.ts'
import { HEADER } from './wire.ts'

const CONNECT_TIMEOUT_MS = 500
/** Longer than the longest wait of a callee (`move` carries its own). */
const CALL_TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 64 * 1024 * 1024

export interface CallOptions {
  /** From the call to the whole answer. Default 10 s. */
  readonly timeoutMs?: number
  /** Given up as soon as gossip finds the node dead. Default: no. */
  readonly whileReachable?: boolean
}

/**
 * Calls other nodes on their data ports. An error that the peer answered is thrown as what it is;
 * everything else is `ARIES_E_NODE_UNREACHABLE`, and `isRefused` tells whether that is proof that
 * nobody listens there any more.
 */
export class Peers {
  readonly #membership: Pick<Membership, 'member' | 'reportRefused'>
  readonly #tokens: Pick<Tokens, 'shown'>
  readonly #agent = agent(16)
  /** Its own connections: a ping must not wait behind calls that take long. */
  readonly #pings = agent(1)
  /** Streams that last as long as a job does. */
  readonly #streams = agent(null)
  /** Calls that a verdict of gossip ends, by node. */
  readonly #hopeful = new Map<string, Set<AbortController>>()
  readonly #unsubscribe: () => void

  constructor(
    components: { membership: Pick<Membership, 'member' | 'reportRefused' | 'onChange'> },
    init: { tokens: Pick<Tokens, 'shown'> },
  ) {
    this.#membership = components.membership
    this.#tokens = init.tokens
    this.#unsubscribe = components.membership.onChange(({ member }) => {
      if (member.state !== 'unreachable') return
      for (const call of this.#hopeful.get(member.id) ?? []) call.abort()
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
    const verdict = options.whileReachable ? this.#hope(node) : undefined
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = verdict ? AbortSignal.any([timeout, verdict.signal]) : timeout
    try {
      const agent = name === 'ping' ? this.#pings : this.#agent
      const request = agent.request({
        origin: `http://${member.host}:${member.dataPort}`,
        path: `/rpc/${name}`,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...this.#auth(),
        },
        body: JSON.stringify(params),
        signal,
      })
      const response = await untilAborted(request, signal)
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
    } finally {
      if (verdict) this.#hopeful.get(node)?.delete(verdict)
    }
  }

  /** The output of a job from its node, or, with `body`, its input to it: see `serveJobStream`. */
  stream(node: string, path: string, body?: Readable): ReturnType<Peers['file']> {
    return this.#send(this.#streams, node, path, body)
  }

  /** A file of the node's data port, to it or from it. The answer may be an `ErrorBody`. */
  async file(
    node: string,
    path: string,
    body?: Readable,
  ): Promise<{ readonly status: number; readonly type: string; readonly body: Readable }> {
    return this.#send(this.#agent, node, path, body)
  }

  async #send(
    through: Agent,
    node: string,
    path: string,
    body: Readable | undefined,
  ): ReturnType<Peers['file']> {
    const member = this.#membership.member(node)
    try {
      const response = await through.request({
        origin: `http://${member?.host}:${member?.dataPort}`,
        path,
        method: body ? 'POST' : 'GET',
        headers: this.#auth(),
        body: body ?? null,
      })
      const type = String(response.headers['content-type'])
      return { status: response.statusCode, type, body: response.body }
    } catch (thrown) {
      const why = causeCode(thrown) ?? String(thrown)
      throw new AriesError('ARIES_E_NODE_UNREACHABLE', `node ${node} does not answer (${why})`)
    }
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    await Promise.all([this.#agent.destroy(), this.#pings.destroy(), this.#streams.destroy()])
  }

  #auth(): Record<string, string> {
    const { shown } = this.#tokens
    return shown === '' ? {} : { [HEADER.auth]: shown }
  }

  #hope(node: string): AbortController {
    const call = new AbortController()
    const calls = this.#hopeful.get(node) ?? new Set()
    this.#hopeful.set(node, calls.add(call))
    return call
  }
}

/** True when the error of a call proves that nobody listens on the node's data port. */
export function isRefused(error: unknown): boolean {
  return error instanceof AriesError && causeCode(error.cause) === 'ECONNREFUSED'
}

/** `connections`: to each node; null: as many as are needed. */
function agent(connections: number | null): Agent {
  return new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    allowH2: false,
    connections,
    pipelining: 1,
    keepAliveTimeout: 10_000,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
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
  if (thrown instanceof Error && thrown.name === 'AbortError') return 'gossip found it dead'
  return causeCode(thrown) ?? (thrown instanceof Error ? thrown.message : String(thrown))
}
