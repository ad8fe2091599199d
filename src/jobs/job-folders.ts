import { realpath, stat } from 'node:fs/promises'
import { extname, isAbsolute, join, sep } from 'node:path'
import { AriesError } from '../errors.ts'

const ENDINGS = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'])

export interface JobModule {
  /** Absolute, without symbolic links. */
  readonly file: string
  /** The folder of the configuration that it lies in. */
  readonly folder: string
}

/**
 * The module that is meant, when it lies below one of `folders`: where it really lies, after
 * symbolic links. A relative path is looked for in one folder after another. Throws
 * `ARIES_E_JOB_REFUSED`.
 */
export async function findModule(module: string, folders: readonly string[]): Promise<JobModule> {
  if (folders.length === 0) refuse('`jobs.folders` of the configuration names no folder')
  if (!ENDINGS.has(extname(module))) {
    refuse(`"${module}" is not a module: it must end with ${[...ENDINGS].join(', ')}`)
  }
  for (const named of folders) {
    const folder = await realpath(named).catch(() => undefined)
    if (folder === undefined) continue
    const path = isAbsolute(module) ? module : join(folder, module)
    const file = await realpath(path).catch(() => undefined)
    if (file === undefined || !file.startsWith(folder + sep) || !ENDINGS.has(extname(file)))
      continue
    if ((await stat(file)).isFile()) return { file, folder }
  }
  return refuse(`there is no module "${module}" below ${folders.join(', ')}`)
}

function refuse(why: string): never {
  throw new AriesError('ARIES_E_JOB_REFUSED', why)
}
