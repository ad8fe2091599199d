import { basename, extname } from 'node:path'
import type { ModuleName } from './schema.ts'

/** The name of a task or worker class: its module's file name without the ending. */
export function moduleName(file: string): ModuleName {
  return basename(file, extname(file))
}
