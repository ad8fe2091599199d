/** TLS to upstreams. */
import { isIP } from 'node:net'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { UpstreamUrl } from '../config/address.ts'

/** What an upstream is trusted by, and who the front is to it: PEM. */
export interface UpstreamTls {
  /** Authorities of its certificate; undefined: those that Node trusts. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Name that its certificate must be for, and that it is asked for; undefined: its host. */
  readonly serverName?: string | undefined
  /** False: whoever answers is believed. */
  readonly verify: boolean
}

export const DEFAULT_TLS: UpstreamTls = { verify: true }

/** Opens connections to one upstream; its sessions are resumed. */
export class TlsConnector {
  readonly #address: Pick<UpstreamUrl, 'host' | 'port' | 'socketPath'>
  readonly #terms: UpstreamTls
  readonly #context: SecureContext
  readonly #sessions = new Map<string, Buffer>()

  constructor(
    address: Pick<UpstreamUrl, 'host' | 'port' | 'socketPath'>,
    terms: UpstreamTls = DEFAULT_TLS,
  ) {
    const { ca, cert, key } = terms
    this.#address = address
    this.#terms = terms
    this.#context = createSecureContext({ ...(ca && { ca }), ...(cert && { cert, key }) })
  }

  /** `protocol`: what is to be spoken inside; an upstream that cannot is refused. */
  connect(protocol: 'http/1.1' | 'h2'): TLSSocket {
    const { host, port } = this.#address
    const { serverName, verify } = this.#terms
    const session = this.#sessions.get(protocol)
    const socket = connect({
      host,
      port,
      servername: serverName ?? (isIP(host) === 0 ? host : ''),
      secureContext: this.#context,
      rejectUnauthorized: verify,
      ALPNProtocols: [protocol],
      ...(session && { session }),
    })
    socket.setNoDelay(true)
    socket.on('session', (next) => this.#sessions.set(protocol, next))
    if (protocol === 'h2') {
      socket.prependOnceListener('secureConnect', () => {
        if (socket.alpnProtocol !== 'h2') {
          socket.destroy(new Error('it does not agree to speak HTTP/2 (ALPN)'))
        }
      })
    }
    return socket
  }
}

const TLS_FAULT =
  /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|CRL_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|INVALID_)|_CERT|_CA$/

/** Whether a connection failed in its handshake: for what it is, not for where it goes. */
export function isTlsFault({ code = '' }: NodeJS.ErrnoException): boolean {
  return TLS_FAULT.test(code)
}
