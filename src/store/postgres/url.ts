/** What the url of a PostgreSQL store says beyond the server, its user and its database. */
import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import type { ConnectionOptions } from 'node:tls'

/** Connections per process: one for commits, one for claims, the rest for reads and leases. */
const CONNECTIONS_DEFAULT = 4
const CONNECTIONS_MIN = 2
/**
 * Opened at the start and not closed for being idle, of those that there may be: a failover finds them
 * in whichever process it needs them.
 */
export const CONNECTIONS_KEPT = 3
const CONNECTIONS_MAX = 100
/** The server gives up a statement after this. */
const STATEMENT_TIMEOUT_MS_DEFAULT = 10_000
const STATEMENT_TIMEOUT_MS_MIN = 100
const STATEMENT_TIMEOUT_MS_MAX = 600_000

const SSL_MODES = ['disable', 'require', 'verify-full'] as const
type SslMode = (typeof SSL_MODES)[number]

export interface PostgresOptions {
  /** The url without what is said here. */
  readonly url: string
  /** False: no TLS. */
  readonly ssl: ConnectionOptions | false
  readonly connections: number
  readonly statementTimeoutMs: number
}

/**
 * Reads the parameters of Aries off the url: `sslmode` (`disable`, the default; `require`: encrypted,
 * but the server is not checked; `verify-full`: its certificate must be for that host and from a
 * known authority), `sslrootcert` (absolute path of a PEM file with that authority), `connections`
 * (per process) and `statementTimeoutMs`. The others are left to the server. Throws an `Error` that
 * says what is wrong, without the password.
 */
export function parsePostgresUrl(text: string): PostgresOptions {
  if (!URL.canParse(text)) throw new Error('is not a valid `postgres://user:password@host/db`')
  const url = new URL(text)
  const take = (name: string): string | undefined => {
    const value = url.searchParams.get(name) ?? undefined
    url.searchParams.delete(name)
    return value
  }
  const ssl = sslOptions(take('sslmode'), take('sslrootcert'))
  const connections = wholeNumber('connections', take('connections'), {
    byDefault: CONNECTIONS_DEFAULT,
    min: CONNECTIONS_MIN,
    max: CONNECTIONS_MAX,
  })
  const statementTimeoutMs = wholeNumber('statementTimeoutMs', take('statementTimeoutMs'), {
    byDefault: STATEMENT_TIMEOUT_MS_DEFAULT,
    min: STATEMENT_TIMEOUT_MS_MIN,
    max: STATEMENT_TIMEOUT_MS_MAX,
  })
  return { url: url.href, ssl, connections, statementTimeoutMs }
}

function sslOptions(
  mode: string | undefined,
  rootFile: string | undefined,
): PostgresOptions['ssl'] {
  if (mode !== undefined && !SSL_MODES.includes(mode as SslMode)) {
    throw new Error(`sslmode is one of ${SSL_MODES.join(', ')}`)
  }
  if (rootFile !== undefined && mode !== 'verify-full') {
    throw new Error('sslrootcert is for `sslmode=verify-full`')
  }
  if (mode === undefined || mode === 'disable') return false
  if (mode === 'require') return { rejectUnauthorized: false }
  return rootFile === undefined ? {} : { ca: rootCertificate(rootFile) }
}

function rootCertificate(file: string): string {
  // Processes with other working directories read it too.
  if (!isAbsolute(file)) throw new Error('sslrootcert is an absolute path')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`sslrootcert cannot be read: ${(error as Error).message}`, { cause: error })
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error(`sslrootcert: ${file} holds no certificate in PEM format`)
  }
  return text
}

function wholeNumber(
  name: string,
  text: string | undefined,
  limits: { readonly byDefault: number; readonly min: number; readonly max: number },
): number {
  if (text === undefined) return limits.byDefault
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= limits.min && value <= limits.max) return value
  throw new Error(`${name} is a whole number from ${limits.min} to ${limits.max}`)
}
