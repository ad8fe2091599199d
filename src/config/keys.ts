/** The keys of the cluster: in the configuration, or in a file of their own that `aries keys` changes. */
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { KEYS_MAX } from '../keys.ts'
import type { KeyPath, Located, Problems } from './problems.ts'

/** A key that can be guessed protects nothing: packets can be tried against it at leisure. */
export const KEY_CHARACTERS_MIN = 16

const HOW = 'make one with `openssl rand -base64 32`'
const OTHERS = 0o077

export interface Keys {
  /** The first seals and is shown, all are accepted; none: nothing is sealed. */
  readonly keys: readonly string[]
  /** Absolute path of the file that they came from. */
  readonly keyFile: string | undefined
}

const NONE: Keys = { keys: [], keyFile: undefined }

/** Reads what `key` or `keyFile` says. No problem that is told shows a key. */
export async function resolveKeys(
  data: Record<string, unknown> | null,
  folder: string,
  document: Located,
  problems: Problems,
): Promise<Keys> {
  const key = data?.['key']
  const file = data?.['keyFile']
  if (typeof file === 'string' && key !== undefined && key !== '') {
    problems.add(document, ['keyFile'], 'there is a key as well; write one of the two')
    return NONE
  }
  if (typeof file === 'string') {
    const keyFile = resolve(folder, file)
    const read = await readKeyFile(keyFile)
    if (typeof read !== 'string') return { keys: read, keyFile }
    problems.add(document, ['keyFile'], read)
    return { keys: [], keyFile }
  }
  const listed = Array.isArray(key) ? (key as unknown[]) : key === '' ? [] : [key]
  const keys = listed.filter((each): each is string => typeof each === 'string')
  const words = keysProblem(keys)
  const path: KeyPath = Array.isArray(key) && words ? ['key', words.index] : ['key']
  if (words) problems.add(document, path, words.words)
  return { keys, keyFile: undefined }
}

/** One key on each line, the one that seals first; lines that begin with # do not count. */
async function readKeyFile(file: string): Promise<string[] | string> {
  try {
    const { mode } = await stat(file)
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
      return `others than its owner can use the key file (mode ${(mode & 0o777).toString(8)}); chmod 600 it`
    }
    const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim())
    const keys = lines.filter((line) => line !== '' && !line.startsWith('#'))
    if (keys.length === 0) return `the key file is empty; ${HOW}`
    return keysProblem(keys)?.words ?? keys
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? `there is no key file; ${HOW} > the file, and chmod 600 it` : message
  }
}

function keysProblem(keys: readonly string[]): { words: string; index: number } | undefined {
  if (keys.length > KEYS_MAX) return { words: `there are more than ${KEYS_MAX} keys`, index: 0 }
  const short = keys.findIndex((key) => key.length < KEY_CHARACTERS_MIN)
  if (short >= 0) {
    return { words: `is shorter than ${KEY_CHARACTERS_MIN} characters; ${HOW}`, index: short }
  }
  const double = keys.findIndex((key, i) => keys.indexOf(key) !== i)
  return double < 0 ? undefined : { words: 'is the same as another', index: double }
}

/** Replaces the file whole: who reads it meanwhile finds the old keys or the new ones. */
export async function writeKeyFile(file: string, keys: readonly string[]): Promise<void> {
  const draft = `${file}.${process.pid}.new`
  const text = `# The keys of the cluster: the first seals, all are accepted.\n${keys.join('\n')}\n`
  try {
    await writeFile(draft, text, { mode: 0o600, flush: true })
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
