import { isAbsolute, normalize } from 'node:path'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type PostgresOptions, parsePostgresUrl } from './postgres/url.ts'
import { SqliteStore } from './sqlite/store.ts'
import type { Store } from './store.ts'

/**
 * Opens the store that `url` names: `sqlite:/absolute/path` or `postgres://user:password@host/db`.
 * Creates the schema when it is missing. Throws `ARIES_E_CONFIG` for any other url, `ARIES_E_STORE`
 * when the store cannot be reached, is no store, or was written by a newer Aries. No message and
 * no log line holds the password.
 */
export async function openStore(components: { log: Logger }, url: string): Promise<Store> {
  const scheme = url.slice(0, Math.max(0, url.indexOf(':')))
  switch (scheme) {
    case 'sqlite':
      return SqliteStore.open(components, sqlitePath(url.slice('sqlite:'.length)))
    case 'postgres':
    case 'postgresql':
      return openPostgres(components, url)
    default:
      // Only the scheme is repeated: a url that is wrong anywhere may hold a password anywhere.
      throw new AriesError(
        'ARIES_E_CONFIG',
        `store: "${scheme}:" is not a known kind; use sqlite:<file> or postgres://user:password@host/database`,
      )
  }
}

/** Its driver is read only by those that use it. */
async function openPostgres(components: { log: Logger }, url: string): Promise<Store> {
  const options = postgresOptions(url)
  const { PostgresStore } = await import('./postgres/store.ts')
  return PostgresStore.open(components, options, postgresDescription(url))
}

function sqlitePath(path: string): string {
  if (isAbsolute(path) && !path.endsWith('/') && !path.includes('\0')) return normalize(path)
  throw new AriesError('ARIES_E_CONFIG', `store: "${path}" is not the absolute path of a file`)
}

function postgresOptions(url: string): PostgresOptions {
  try {
    return parsePostgresUrl(url)
  } catch (error) {
    throw new AriesError('ARIES_E_CONFIG', `store: ${(error as Error).message}`)
  }
}

/** User, host and database: the parameters after them may hold a password as well. */
function postgresDescription(url: string): string {
  const { username, host, pathname } = new URL(url)
  return `postgres://${username === '' ? '' : `${username}@`}${host}${pathname}`
}
