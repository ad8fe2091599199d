import type { Socket } from 'node:net'
import { createSecureContext, createServer, type SecureContext, type Server } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '../log.ts'
import type { TlsTerms } from './certificates.ts'
import { knownPeer, setPeer } from './intake.ts'
import type { ShardStats } from './metrics.ts'
import type { ProxiedPeer } from './proxy-protocol.ts'

/** A handshake takes a few round trips; who is slower holds a place for nothing. */
const HANDSHAKE_TIMEOUT_MS = 10_000
/** Clients in their handshake at once; more are closed. */
const HANDSHAKES_MAX = 2_000
/** What is spoken inside, the best first. */
const PROTOCOLS = ['h2', 'http/1.1']

export interface TlsComponents {
  readonly log: Logger
  readonly stats: Pick<ShardStats, 'tlsFailures'>
  /** The handshake is over. */
  readonly onClient: (socket: Socket) => void
}

/** The TLS of one listener: takes raw connections, gives those whose handshake went well. */
export class TlsTerminator {
  readonly #c: TlsComponents
  readonly #server: Server
  #terms: TlsTerms | undefined
  #exact = new Map<string, SecureContext>()
  #wildcard = new Map<string, SecureContext>()
  #shaking = 0
  #http2 = true
  #whenSettled: (() => void)[] = []

  constructor(components: TlsComponents) {
    this.#c = components
    this.#server = createServer({
      // A client that wants nothing of it is told so (RFC 7301 §3.2).
      ALPNCallback: ({ protocols }) =>
        PROTOCOLS.find((one) => protocols.includes(one) && (this.#http2 || one !== 'h2')),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      allowHalfOpen: true,
      SNICallback: (name, done) => done(null, this.#contextFor(name)),
    })
    this.#server.on('secureConnection', (socket) => {
      socket.ref()
      const peer = peerOf(socket)
      if (peer) setPeer(socket, peer)
      components.onClient(socket)
      this.#shaken()
    })
    this.#server.on('tlsClientError', (error) => {
      this.#shaken()
      components.stats.tlsFailures++
      components.log.debug({ why: error.message }, 'TLS handshake failed')
    })
  }

  /** For handshakes from now on; connections that are open stay as they are. */
  set(terms: TlsTerms, http2: boolean): void {
    this.#http2 = http2
    // They come with every reload of the configuration, whatever it changed.
    if (isDeepStrictEqual(terms, this.#terms)) return
    this.#terms = terms
    this.#exact = new Map()
    this.#wildcard = new Map()
    const { minVersion, certificates } = terms
    const ticketKeys = Buffer.from(terms.ticketKeys)
    for (const { cert, key, names } of certificates) {
      const context = createSecureContext({ cert, key, minVersion, ticketKeys })
      for (const name of names) {
        const [table, known] = name.startsWith('*.')
          ? [this.#wildcard, name.slice(2)]
          : [this.#exact, name]
        if (!table.has(known)) table.set(known, context)
      }
    }
    const { cert, key } = certificates[0]!
    this.#server.setSecureContext({ cert, key, minVersion, ticketKeys })
  }

  /** What a proxy said of the client holds of the encrypted connection too. */
  accept(socket: Socket): void {
    if (this.#shaking >= HANDSHAKES_MAX) {
      this.#c.stats.tlsFailures++
      socket.destroy()
      return
    }
    this.#shaking++
    // A shard that ends does not wait for those that are not clients yet.
    socket.unref()
    this.#server.emit('connection', socket)
  }

  /** Resolves when nobody is in a handshake. */
  settled(): Promise<void> {
    if (this.#shaking === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenSettled.push(resolve))
  }

  #shaken(): void {
    this.#shaking--
    if (this.#shaking > 0) return
    for (const resolve of this.#whenSettled.splice(0)) resolve()
  }

  /** Undefined: the one of the listener. */
  #contextFor(name: string): SecureContext | undefined {
    const lower = name.toLowerCase()
    const parent = lower.slice(lower.indexOf('.') + 1)
    return this.#exact.get(lower) ?? this.#wildcard.get(parent)
  }
}

/** Who the client is by what was said of the connection below. */
function peerOf(socket: Socket): ProxiedPeer | undefined {
  // Node has no public name for it.
  const { _parent: raw } = socket as Socket & { _parent?: Socket }
  return raw && knownPeer(raw)
}
