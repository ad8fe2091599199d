/** Options as the commands receive them. */
import { resolve } from 'node:path'
import { findConfig } from '../config/find.ts'
import { AriesError } from '../errors.ts'

export interface AdminOptions {
  /** host:port of the admin API to ask. */
  readonly admin: string
}

export interface ReadOptions extends AdminOptions {
  readonly json?: boolean
}

export interface ConfigOptions {
  readonly config?: string
  readonly map?: string
}

/** The configuration file that is meant: named, or found from the current folder upwards. */
export function configFileOf(options: ConfigOptions): string {
  const file = options.config ? resolve(options.config) : findConfig(process.cwd())
  if (file !== undefined) return file
  throw new AriesError(
    'ARIES_E_CONFIG',
    `there is no config/aries.yaml in ${process.cwd()} or above it; name one with --config`,
  )
}

/** `options.map` made absolute, in the form that `loadConfig` takes. */
export function mapFileOf(options: ConfigOptions): { mapFile?: string } {
  return options.map ? { mapFile: resolve(options.map) } : {}
}
