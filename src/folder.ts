import { mkdirSync } from 'node:fs'
import { AriesError, type ErrorCode } from './errors.ts'

/** Makes the folder, and those above it, unless it is there. Throws an error of `code`. */
export function ensureFolder(folder: string, code: ErrorCode = 'ARIES_E_CONFIG'): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (error) {
    throw new AriesError(code, `${folder} cannot be a folder: ${reasonOf(error)}`)
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'there is a file where a folder has to be'
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not write there'
  if (code === 'EROFS') return 'the file system is read-only'
  return message
}
