/**
 * The keys of a cluster. The first seals and is shown, all are accepted: so a key is replaced while
 * the cluster runs, first known to all, then used by all, then forgotten.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** Most keys that a member accepts at a time: during a rotation it is two. */
export const KEYS_MAX = 4

const ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'

/** The name of a key that may be shown and logged: 4 bytes in hex that do not tell the key. */
export function keyId(key: string): string {
  return Buffer.from(hkdfSync('sha256', key, '', 'aries key id', ID_BYTES)).toString('hex')
}

/** What an operator has a member do with its keys. */
export type KeyOrder = {
  /** Who is meant, and the ids of the keys that it has: an order is for that moment alone. */
  readonly member: string
  readonly has: readonly string[]
} & (
  | { readonly do: 'install'; readonly key: string }
  | { readonly do: 'use'; readonly id: string }
  | { readonly do: 'remove'; readonly id: string }
)

/** The keys after the order. A string: why it is refused. */
export function obey(keys: readonly string[], order: KeyOrder): readonly string[] | string {
  if (order.do === 'install') {
    if (keys.includes(order.key)) return keys
    return keys.length < KEYS_MAX ? [...keys, order.key] : `it has ${KEYS_MAX} keys already`
  }
  const key = keys.find((each) => keyId(each) === order.id)
  if (order.do === 'use') {
    return key === undefined
      ? `it has no key ${order.id}`
      : [key, ...keys.filter((each) => each !== key)]
  }
  if (key !== undefined && key === keys[0]) return `${order.id} is the key that it seals with`
  return keys.filter((each) => each !== key)
}

/** Only who has a key can write an order, and only who has that key can read it. */
export function sealOrder(key: string, order: KeyOrder): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, orderKey(key), nonce)
  const text = Buffer.concat([cipher.update(JSON.stringify(order)), cipher.final()])
  return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64')
}

/** The order that was sealed with one of `keys`; undefined when it was not, or is none. */
export function openOrder(keys: readonly string[], sealed: string): KeyOrder | undefined {
  const bytes = Buffer.from(sealed, 'base64')
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
  for (const key of keys) {
    const opener = createDecipheriv(CIPHER, orderKey(key), bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    })
    opener.setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      const text = opener.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
      opener.final()
      return orderOf(JSON.parse(text.toString()))
    } catch {
      // Sealed with another key.
    }
  }
  return undefined
}

function orderKey(key: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'aries key order', 32))
}

function orderOf(value: unknown): KeyOrder | undefined {
  const order = value as Partial<Record<'member' | 'has' | 'do' | 'key' | 'id', unknown>>
  const named = typeof order.member === 'string' && Array.isArray(order.has)
  const target = order.do === 'install' ? order.key : order.id
  const known = order.do === 'install' || order.do === 'use' || order.do === 'remove'
  return named && known && typeof target === 'string' ? (value as KeyOrder) : undefined
}
