/**
 * What a request is known by on all its ways: an id, and its place in a trace (W3C Trace Context).
 * They are made here when the client brings none, and go on to targets, workers and the access log.
 */
import { randomFillSync } from 'node:crypto'
import type { ConfigFile } from '../../config/schema.ts'
import type { Random } from '../../world.ts'
import type { ClientRequest } from './client-request.ts'

type Settings = Pick<ConfigFile['front'], 'requestId' | 'trace'>

const REQUEST_ID = 'x-request-id'
/** Of ids that are taken over: what logs and headers of others can hold. */
const ID = /^[!-~]{1,128}$/
/** Version, trace, parent, flags; what newer versions add stands behind a further dash (§3.2). */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/
const SAMPLED = '01'
const NOT_SAMPLED = '00'

/** Marks requests; undefined when nothing is to be marked. */
export class Marks {
  readonly #settings: Settings
  readonly #random: Random

  constructor(components: { random: Random }, settings: Settings) {
    this.#random = components.random
    this.#settings = settings
  }

  static of(components: { random: Random }, settings: Settings): Marks | undefined {
    return settings.requestId || settings.trace ? new Marks(components, settings) : undefined
  }

  /** `isTrusted`: the id that it brings is believed. Everyone may continue a trace. */
  mark(head: ClientRequest, isTrusted: boolean): void {
    if (this.#settings.requestId) this.#identify(head, isTrusted)
    if (this.#settings.trace) this.#trace(head, this.#settings.trace.sample)
  }

  #identify(head: ClientRequest, isTrusted: boolean): void {
    const brought = head.fields.get(REQUEST_ID)
    if (brought !== undefined && isTrusted && ID.test(brought)) {
      head.requestId = brought
      return
    }
    if (brought !== undefined) head.fields.remove(REQUEST_ID)
    head.requestId = randomHex(16)
    head.fields.add('X-Request-Id', head.requestId)
  }

  #trace(head: ClientRequest, sample: number): void {
    const brought = head.fields.get('traceparent')
    if (brought !== undefined && isTraceparent(brought)) {
      head.traceId = brought.slice(3, 35)
      head.parentId = brought.slice(36, 52)
      head.sampled = (Number.parseInt(brought.charAt(54), 16) & 1) === 1
      return
    }
    // Without a parent its state means nothing (§3.3.1).
    head.fields.remove('traceparent')
    head.fields.remove('tracestate')
    head.traceId = randomHex(16)
    head.sampled = this.#random.next() < sample
    const flags = head.sampled ? SAMPLED : NOT_SAMPLED
    head.fields.add('traceparent', `00-${head.traceId}-${randomHex(8)}-${flags}`)
  }
}

/** Version 00 has exactly four parts. */
function isTraceparent(text: string): boolean {
  return TRACEPARENT.test(text) && (!text.startsWith('00') || text.length === 55)
}

/** The system is asked for many at once. */
const POOL = Buffer.alloc(4_096)
let at = POOL.length

function randomHex(bytes: number): string {
  if (at + bytes > POOL.length) {
    randomFillSync(POOL)
    at = 0
  }
  at += bytes
  return POOL.toString('hex', at - bytes, at)
}
