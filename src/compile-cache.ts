/**
 * Keeps the compiled code of modules between starts. A member is four processes and more, each with
 * a few threads and a hundred modules: reading those took half of the CPU time of its start, at the
 * very moment in which a failover waits for it. Node knows by their contents which are still good.
 */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Beside the code, writable by whom the code is: not in `/tmp`, where others could leave some. */
const FOLDER = fileURLToPath(new URL('../node_modules/.cache/aries', import.meta.url))

/**
 * For this process and those that it starts. Where the folder cannot be written nothing is kept;
 * `NODE_COMPILE_CACHE` names another, `NODE_DISABLE_COMPILE_CACHE=1` turns it off.
 */
export function keepCompiledCode(): void {
  if (process.env['NODE_COMPILE_CACHE'] !== undefined) return
  if (enableCompileCache(FOLDER).directory === undefined) return
  process.env['NODE_COMPILE_CACHE'] = FOLDER
}
