/** One attempt of a call: to a host over HTTP. */
import type { Dispatcher } from 'undici'
import { AriesError, ERRORS, type ErrorCode, fromBody } from '../errors.ts'
import { type HostPools, isUnsent } from '../host-pools.ts'
import { formatWorkerId } from '../identity.ts'
import { HEADER, HOP_BY_HOP, type OwnerAddress, parseOwner, SAFE_TO_REPEAT } from '../wire.ts'
import type { CallAnswer, OutgoingCall } from '../worker/workers.ts'
import { formatChain } from './chain.ts'

/** How an attempt ended. */
export type Outcome =
  | { readonly kind: 'answered'; readonly answer: CallAnswer; readonly owner?: OwnerAddress }
  /** The worker's host said what is wrong. */
  | { readonly kind: 'fault'; readonly error: AriesError; readonly owner?: OwnerAddress }
  /** It was not applied: the worker lives there, or somewhere else. */
  | { readonly kind: 'not-owner'; readonly owner?: OwnerAddress }
  /** No host was reached (`unsent`), or it went away before it had answered. */
  | { readonly kind: 'lost'; readonly unsent: boolean; readonly error: unknown }

export interface AttemptInit {
  /** Of the caller. */
  readonly node: string
  readonly call: OutgoingCall
  readonly chain: readonly string[]
  readonly token: string
  readonly answerBytesMax: number
  readonly signal: AbortSignal
}

export async function attemptOver(
  pools: HostPools,
  owner: OwnerAddress,
  init: AttemptInit,
): Promise<Outcome> {
  const { call, signal } = init
  try {
    const repeatable = call.key !== undefined || SAFE_TO_REPEAT.has(call.method)
    return await pools.send({ owner, repeatable, signal }, async (pool, until) => {
      const response = await pool.request({
        path: call.url,
        method: call.method as Dispatcher.HttpMethod,
        headers: headersOf(init, owner),
        body: call.body ?? null,
        signal: until,
      })
      return readOutcome(response, init)
    })
  } catch (error) {
    return { kind: 'lost', unsent: isUnsent(error), error }
  }
}

function headersOf({ node, call, chain, token }: AttemptInit, owner: OwnerAddress): string[] {
  const headers = call.headers.flat()
  headers.push(HEADER.worker, formatWorkerId(call.id), HEADER.epoch, String(owner.epoch))
  headers.push(HEADER.node, node)
  if (token !== '') headers.push(HEADER.auth, token)
  if (chain.length > 0) headers.push(HEADER.chain, formatChain(chain))
  if (call.calls !== undefined) headers.push(HEADER.call, call.calls)
  if (call.key !== undefined) headers.push('idempotency-key', call.key)
  return headers
}

async function readOutcome(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  { answerBytesMax }: AttemptInit,
): Promise<Outcome> {
  const told = headers[HEADER.owner]
  const owner = typeof told === 'string' ? parseOwner(told) : undefined
  const known = owner && { owner }
  const fault = headers[HEADER.fault]
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > answerBytesMax) return { kind: 'fault', error: tooLarge(answerBytesMax), ...known }
    chunks.push(chunk)
  }
  const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  if (fault === 'ARIES_E_NOT_OWNER') return { kind: 'not-owner', ...known }
  if (fault !== undefined) return { kind: 'fault', error: errorIn(whole, String(fault)), ...known }
  const answer = { status: statusCode, headers: pairs(headers), body: whole }
  return { kind: 'answered', answer, ...known }
}

export function tooLarge(bytesMax: number): AriesError {
  return new AriesError(
    'ARIES_E_ANSWER_TOO_LARGE',
    `the answer has more than ${bytesMax} bytes (host.bodyBytesMax)`,
  )
}

function errorIn(body: Buffer, code: string): AriesError {
  try {
    const told = fromBody(JSON.parse(body.toString()))
    if (told) return told
  } catch {
    // Falls through: the code alone has to do.
  }
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'ARIES_E_INTERNAL'
  return new AriesError(known, `the host answered ${code}`)
}

function pairs(headers: Dispatcher.ResponseData['headers']): [string, string][] {
  const all: [string, string][] = []
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP_BY_HOP.has(name) || name.startsWith('aries-')) continue
    for (const one of Array.isArray(value) ? value : [value]) all.push([name, one])
  }
  return all
}
