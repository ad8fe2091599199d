import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { upstreamTlsOf } from '../config/routes.ts'
import type { Listener, Route } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { fileSign } from '../file-sign.ts'
import type { Logger } from '../log.ts'
import type { UpstreamTls } from './upstream-tls.ts'

/** A certificate with its chain, and its key, as PEM. */
interface Certificate {
  readonly cert: string
  readonly key: string
  /** Host names that it is for, small letters; `*.` stands for one label. */
  readonly names: readonly string[]
}

/** How a listener speaks TLS. */
export interface TlsTerms {
  /** The first is for clients that name no host, or another. */
  readonly certificates: readonly Certificate[]
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** The same in all shards: a client that comes back resumes its session at any of them. */
  readonly ticketKeys: Uint8Array
}

/** Whose certificates there are. */
export interface CertificateUsers {
  readonly listeners: readonly Listener[]
  readonly routes: readonly Route[]
}

type TlsListener = Extract<Listener, { http: string }>
type Files = NonNullable<TlsListener['tls']>['certificates'][number]

/** Certificates are renewed by programs that replace files: seen this soon. */
const CHECK_MS = 2_000
const TICKET_KEYS_BYTES = 48

/** The certificates of all listeners and of TLS to upstreams, read anew when their files change. */
export class Certificates {
  readonly #log: Logger
  readonly #changed: () => void
  readonly ticketKeys: Uint8Array
  #terms: ReadonlyMap<string, TlsTerms> = new Map()
  #upstreams: ReadonlyMap<string, UpstreamTls> = new Map()
  #users: CertificateUsers = { listeners: [], routes: [] }
  #signs = ''
  #isWatching = false
  #timer: NodeJS.Timeout | undefined

  /**
   * `changed`: other certificates than before are in `terms`. `ticketKeys`: of the process before
   * this one, so that its clients can resume.
   */
  constructor(
    components: { log: Logger; changed: () => void },
    init: { readonly ticketKeys?: Uint8Array | undefined } = {},
  ) {
    this.ticketKeys = init.ticketKeys ?? new Uint8Array(randomBytes(TICKET_KEYS_BYTES))
    this.#log = components.log
    this.#changed = components.changed
  }

  /** By the listener's name; those without TLS are missing. */
  get terms(): ReadonlyMap<string, TlsTerms> {
    return this.#terms
  }

  /** By URL; those that say nothing of TLS are missing. */
  get upstreams(): ReadonlyMap<string, UpstreamTls> {
    return this.#upstreams
  }

  /** Throws `ARIES_E_CONFIG`, with all as it was, when a file cannot be used. */
  async load(users: CertificateUsers): Promise<void> {
    const signs = await signsOf(users)
    this.#apply(await readAll(users, this.ticketKeys))
    this.#users = users
    this.#signs = signs
    this.#checkLater()
  }

  /** Looks after the files from now on. */
  start(): void {
    this.#isWatching = true
    this.#checkLater()
  }

  stop(): void {
    this.#isWatching = false
    clearTimeout(this.#timer)
  }

  #checkLater(): void {
    clearTimeout(this.#timer)
    if (!this.#isWatching || this.#signs === '') return
    this.#timer = setTimeout(() => void this.#check(), CHECK_MS).unref()
  }

  async #check(): Promise<void> {
    const users = this.#users
    const signs = await signsOf(users)
    if (signs !== this.#signs && users === this.#users) {
      this.#signs = signs
      try {
        const read = await readAll(users, this.ticketKeys)
        if (users !== this.#users) return
        this.#apply(read)
        this.#log.info('certificates were replaced')
        this.#changed()
      } catch (thrown) {
        // A renewal writes two files: the next look finds both.
        const { message } = thrown as Error
        this.#log.warn({ why: message }, 'certificates are not replaced, the old ones stay')
      }
    }
    if (users === this.#users) this.#checkLater()
  }

  #apply({ terms, upstreams }: Read): void {
    this.#terms = terms
    this.#upstreams = upstreams
  }
}

interface Read {
  readonly terms: Map<string, TlsTerms>
  readonly upstreams: Map<string, UpstreamTls>
}

async function readAll(
  { listeners, routes }: CertificateUsers,
  ticketKeys: Uint8Array,
): Promise<Read> {
  const [terms, upstreams] = await Promise.all([
    readListeners(listeners, ticketKeys),
    readUpstreams(routes),
  ])
  return { terms, upstreams }
}

async function readListeners(
  listeners: readonly Listener[],
  ticketKeys: Uint8Array,
): Promise<Map<string, TlsTerms>> {
  const terms = new Map<string, TlsTerms>()
  for (const listener of listeners) {
    if (!('http' in listener) || !listener.tls) continue
    const { certificates, minVersion } = listener.tls
    terms.set(listener.http, {
      certificates: await Promise.all(certificates.map(loadCertificate)),
      minVersion,
      ticketKeys,
    })
  }
  return terms
}

async function readUpstreams(routes: readonly Route[]): Promise<Map<string, UpstreamTls>> {
  const all = new Map<string, UpstreamTls>()
  for (const [url, { ca, cert, key, serverName, verify }] of upstreamTlsOf(routes)) {
    const own = cert && key ? await loadCertificate({ cert, key }) : undefined
    const authorities = ca && (await readPem(ca))
    if (ca && authorities) checkAuthorities(ca, authorities)
    all.set(url, { ca: authorities, cert: own?.cert, key: own?.key, serverName, verify })
  }
  return all
}

function checkAuthorities(file: string, text: string): void {
  try {
    new X509Certificate(text)
  } catch (cause) {
    throw unusable(file, cause)
  }
}

/** Throws `ARIES_E_CONFIG` unless both files are there, are PEM, and belong together. */
async function loadCertificate({ cert, key }: Files): Promise<Certificate> {
  const [certText, keyText] = await Promise.all([readPem(cert), readPem(key)])
  try {
    const parsed = new X509Certificate(certText)
    if (!parsed.checkPrivateKey(createPrivateKey(keyText))) {
      throw new Error(`it is not the certificate of the key in ${key}`)
    }
    return { cert: certText, key: keyText, names: namesOf(parsed) }
  } catch (cause) {
    throw unusable(cert, cause)
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw unusable(file, cause)
  }
}

function unusable(file: string, cause: unknown): AriesError {
  const why = (cause as Error).message
  return new AriesError('ARIES_E_CONFIG', `certificate ${file} cannot be used: ${why}`, { cause })
}

function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  const names = subjectAltName.matchAll(/DNS:([^,\s"]+)/g)
  return Array.from(names, ([, name]) => name!.toLowerCase())
}

/** Differs when a file was written or replaced; empty: there are none. */
async function signsOf({ listeners, routes }: CertificateUsers): Promise<string> {
  const pairs = listeners.flatMap((listener) =>
    'http' in listener ? (listener.tls?.certificates ?? []) : [],
  )
  const upstreams = [...upstreamTlsOf(routes).values()]
  const files = [
    ...pairs.flatMap(({ cert, key }) => [cert, key]),
    ...upstreams.flatMap(({ ca, cert, key }) => [ca, cert, key]),
  ]
  const signs = files.filter((file) => file !== undefined).map(fileSign)
  return (await Promise.all(signs)).join('\n')
}
