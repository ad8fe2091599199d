import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Listener } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { fileSign } from '../file-sign.ts'
import type { Logger } from '../log.ts'

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

type TlsListener = Extract<Listener, { http: string }>
type Files = NonNullable<TlsListener['tls']>['certificates'][number]

/** Certificates are renewed by programs that replace files: seen this soon. */
const CHECK_MS = 2_000
const TICKET_KEYS_BYTES = 48

/** The certificates of all listeners, read anew when their files change. */
export class Certificates {
  readonly #log: Logger
  readonly #changed: () => void
  readonly #ticketKeys = new Uint8Array(randomBytes(TICKET_KEYS_BYTES))
  #terms: ReadonlyMap<string, TlsTerms> = new Map()
  #listeners: readonly Listener[] = []
  #signs = ''
  #isWatching = false
  #timer: NodeJS.Timeout | undefined

  /** `changed`: other certificates than before are in `terms`. */
  constructor(components: { log: Logger; changed: () => void }) {
    this.#log = components.log
    this.#changed = components.changed
  }

  /** By the listener's name; those without TLS are missing. */
  get terms(): ReadonlyMap<string, TlsTerms> {
    return this.#terms
  }

  /** Throws `ARIES_E_CONFIG`, with all as it was, when a file cannot be used. */
  async load(listeners: readonly Listener[]): Promise<void> {
    const signs = await signsOf(listeners)
    this.#terms = await this.#read(listeners)
    this.#listeners = listeners
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
    if (!this.#isWatching || this.#terms.size === 0) return
    this.#timer = setTimeout(() => void this.#check(), CHECK_MS).unref()
  }

  async #check(): Promise<void> {
    const listeners = this.#listeners
    const signs = await signsOf(listeners)
    if (signs !== this.#signs && listeners === this.#listeners) {
      this.#signs = signs
      try {
        const terms = await this.#read(listeners)
        if (listeners !== this.#listeners) return
        this.#terms = terms
        this.#log.info('certificates were replaced')
        this.#changed()
      } catch (thrown) {
        // A renewal writes two files: the next look finds both.
        const { message } = thrown as Error
        this.#log.warn({ why: message }, 'certificates are not replaced, the old ones stay')
      }
    }
    if (listeners === this.#listeners) this.#checkLater()
  }

  async #read(listeners: readonly Listener[]): Promise<Map<string, TlsTerms>> {
    const terms = new Map<string, TlsTerms>()
    for (const listener of listeners) {
      if (!('http' in listener) || !listener.tls) continue
      const { certificates, minVersion } = listener.tls
      terms.set(listener.http, {
        certificates: await Promise.all(certificates.map(loadCertificate)),
        minVersion,
        ticketKeys: this.#ticketKeys,
      })
    }
    return terms
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

/** Differs when a file was written or replaced. */
async function signsOf(listeners: readonly Listener[]): Promise<string> {
  const files = listeners.flatMap((listener) =>
    'http' in listener ? (listener.tls?.certificates ?? []) : [],
  )
  const signs = files.flatMap(({ cert, key }) => [cert, key]).map(fileSign)
  return (await Promise.all(signs)).join('\n')
}
