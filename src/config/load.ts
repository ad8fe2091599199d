import type { Config } from './schema.ts'

export interface LoadOptions {
  /** The map to use instead of the one that the configuration names. */
  readonly mapFile?: string
  /** Where `${VAR}` is filled in from; default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * Reads and checks `file` and its map. Throws one `ARIES_E_CONFIG` whose message has a line
 * `file:line:column: path: what is wrong` for every problem found.
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<Config> {
  throw new Error(`${file} ${options.mapFile}`)
}
