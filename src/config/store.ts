/** The `store` of the configuration: which kind it is, and where. */
import { resolve } from 'node:path'
import { parsePostgresUrl } from '../store/postgres/url.ts'

const SQLITE = 'sqlite:'

/** Why `text` names no store, without quoting it (it may hold a password); undefined: it does. */
export function storeProblem(text: string): string | undefined {
  if (text.startsWith(SQLITE)) {
    const file = text.slice(SQLITE.length)
    if (file === '') return 'needs a file after `sqlite:`'
    if (file.startsWith(':')) return 'every process of a node opens the store: it must be a file'
    return undefined
  }
  if (/^postgres(ql)?:\/\//.test(text)) {
    try {
      parsePostgresUrl(text)
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
  return 'must be `sqlite:<file>` or `postgres://user:password@host/db`'
}

/** `store` with the file of SQLite made absolute against `folder`. */
export function resolveStore(text: string, folder: string): string {
  const file = sqliteFile(text)
  return file === undefined ? text : SQLITE + resolve(folder, file)
}

/** The file of a SQLite store; undefined when it is another kind. */
export function sqliteFile(store: string): string | undefined {
  return store.startsWith(SQLITE) ? store.slice(SQLITE.length) : undefined
}
