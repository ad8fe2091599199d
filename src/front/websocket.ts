/** The client's end of a WebSocket: the handshake on a socket that the engine has handed over. */
import type { IncomingMessage } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { AriesError } from '../errors.ts'
import { HEADER } from '../wire.ts'
import type { RequestHead, UpgradedSocket } from './plan.ts'

/** What ws reads of a request, the protocol that the worker chose, and the node where it is. */
type UpgradeRequest = IncomingMessage & { protocol: string; node: string }

export class WebSocketEndpoint {
  readonly #server: WebSocketServer

  constructor(init: { messageBytesMax: number }) {
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: init.messageBytesMax,
      handleProtocols: (_offered, request) => (request as UpgradeRequest).protocol || false,
    })
    this.#server.on('headers', (lines, request) => {
      lines.push(`${HEADER.node}: ${(request as UpgradeRequest).node}`)
    })
  }

  setLimits(init: { messageBytesMax: number }): void {
    this.#server.options.maxPayload = init.messageBytesMax
  }

  /** Completes the handshake; undefined when the client has gone in the meantime. */
  upgrade(
    head: RequestHead,
    { protocol, node }: { readonly protocol: string; readonly node: string },
    socket: UpgradedSocket,
    early: Buffer,
  ): WebSocket | undefined {
    let upgraded: WebSocket | undefined
    this.#server.handleUpgrade(
      { ...upgradeRequest(head), protocol, node } as UpgradeRequest,
      socket,
      early,
      (ws) => {
        upgraded = ws
      },
    )
    return upgraded
  }
}

/** Why the request is no WebSocket handshake; undefined when it is one (RFC 6455, 4.2.1). */
export function handshakeFault(head: RequestHead): AriesError | undefined {
  const key = head.header('sec-websocket-key') ?? ''
  const version = head.header('sec-websocket-version') ?? ''
  if (head.method === 'GET' && /^[+/0-9A-Za-z]{22}==$/.test(key) && /^(13|8)$/.test(version)) {
    return undefined
  }
  return new AriesError('ARIES_E_BAD_REQUEST', 'not a WebSocket handshake of version 13 or 8')
}

function upgradeRequest(head: RequestHead): Partial<UpgradeRequest> {
  const headers: Record<string, string> = {}
  for (const [name, value] of head.headers) {
    const lower = name.toLowerCase()
    headers[lower] = headers[lower] === undefined ? value : `${headers[lower]}, ${value}`
  }
  return { method: head.method, url: head.target, headers }
}
