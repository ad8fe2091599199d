import type { AriesError } from '../errors.ts'
import type { Config } from './schema.ts'

export interface ConfigHandlers {
  /** Both files are valid and differ from what was in force (or were refused before). */
  onChange(config: Config): void
  /** The files are not valid; the old configuration stays in force. */
  onRefused(error: AriesError): void
}

export interface ConfigWatch {
  close(): void
}

/** Watches the files that `current` came from. */
export function watchConfig(current: Config, handlers: ConfigHandlers): ConfigWatch {
  throw new Error(`${current.file} ${handlers}`)
}
