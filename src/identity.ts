import { AriesError } from './errors.ts'

/** A worker's name: class and key. At any time at most one node owns it. */
export interface WorkerId {
  readonly class: string
  readonly key: string
}

const CLASS_NAME = /^[a-z][a-z0-9_-]{0,62}$/i
/** Longest key in UTF-8 bytes: it travels in a header and is part of a primary key. */
export const KEY_BYTES_MAX = 512

/** Whether a store can keep `key`, and a header carry it. */
export function isWorkerKey(key: string): boolean {
  return (
    key !== '' &&
    key.isWellFormed() &&
    !key.includes('\0') &&
    Buffer.byteLength(key) <= KEY_BYTES_MAX
  )
}

/** Whether `text` may be the name of a worker class. */
export function isClassName(text: string): boolean {
  return CLASS_NAME.test(text)
}

/** `class/key` with the key percent-encoded: for headers, map keys and logs. */
export function formatWorkerId(id: WorkerId): string {
  return `${id.class}/${encodeURIComponent(id.key)}`
}

/** The inverse of `formatWorkerId`. Throws `ARIES_E_BAD_REQUEST` on anything else. */
export function parseWorkerId(text: string): WorkerId {
  const id = readWorkerId(text)
  if (id) return id
  throw new AriesError(
    'ARIES_E_BAD_REQUEST',
    `"${text.slice(0, 80)}" is not <class>/<key> (class: a letter, then letters, digits, - or _; key: 1 to ${KEY_BYTES_MAX} bytes without NUL)`,
  )
}

/** Whether `parseWorkerId` takes `text`. */
export function isWorkerName(text: string): boolean {
  return readWorkerId(text) !== undefined
}

function readWorkerId(text: string): WorkerId | undefined {
  const slash = text.indexOf('/')
  const className = slash < 0 ? '' : text.slice(0, slash)
  try {
    const key = decodeURIComponent(text.slice(slash + 1))
    return isClassName(className) && isWorkerKey(key) ? { class: className, key } : undefined
  } catch {
    return undefined
  }
}
