import type { Socket } from 'node:net'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import {
  type Forwarding,
  forwardedElement,
  forwardedHost,
  forwardedLines,
  passedOnLines,
  type Scheme,
} from './forwarding.ts'

/** Who is at the other end of a client connection: the client, or a proxy before the front. */
export class Peer {
  readonly address: string
  readonly scheme: Scheme
  /** Undefined: what it says about a client before it is not believed. */
  readonly trust: Forwarding | undefined
  readonly #lines: string
  readonly #standard: boolean

  constructor({ forwarding, init }: EngineContext, socket: Socket) {
    this.address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    this.scheme = 'encrypted' in socket ? 'https' : 'http'
    this.trust = forwarding.trusts(this.address) ? forwarding : undefined
    this.#lines = forwardedLines(this.address, this.scheme)
    this.#standard = init.forwarded
  }

  /** The lines about the client for a target. */
  forwarded(head: ClientRequest): string {
    const { address, scheme } = this
    const element = this.#standard ? forwardedElement(address, scheme, head.host) : undefined
    if (this.trust !== undefined) {
      return passedOnLines(head.fields, address, scheme, head.host, element)
    }
    const lines = this.#lines + forwardedHost(head.host)
    return element === undefined ? lines : `${lines}Forwarded: ${element}\r\n`
  }
}
