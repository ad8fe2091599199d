import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The URL of a sibling module that is started as a process or thread of its own. The repository
 * runs `.ts` by type stripping, a published build runs `.js`, and the compiler does not rewrite
 * URLs: the ending of the caller decides.
 */
export function entryUrl(relative: string, importMetaUrl: string): URL {
  const ending = extname(fileURLToPath(importMetaUrl))
  return new URL(relative.replace(/\.ts$/, ending), importMetaUrl)
}
