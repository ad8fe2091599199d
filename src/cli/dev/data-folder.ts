import { dirname, join } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { sqliteFile } from '../../config/store.ts'

/** Where logs and temporary files go: beside the SQLite store, else `data/` beside `config/`. */
export function dataFolder(config: Pick<Config, 'file' | 'store'>): string {
  const file = sqliteFile(config.store)
  return file === undefined ? join(dirname(dirname(config.file)), 'data') : dirname(file)
}
