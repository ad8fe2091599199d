/**
 * The token that members show each other in `aries-auth`. It is derived from the cluster key, so
 * that the key itself, which also seals gossip, never travels.
 */
import { hkdfSync, timingSafeEqual } from 'node:crypto'

/** HKDF-SHA256 (RFC 5869) of the key, in hex. No key: no token. */
export function dataToken(key: string): string {
  if (key === '') return ''
  return Buffer.from(hkdfSync('sha256', key, '', 'aries data', 32)).toString('hex')
}

/**
 * Whether `shown` is the token `expected`, in a time that depends on its length alone. An empty
 * `expected` means that no token is asked for: everyone is let in.
 */
export function tokensEqual(shown: string | undefined, expected: string): boolean {
  if (expected === '') return true
  const a = Buffer.from(shown ?? '')
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}
