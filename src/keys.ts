/**
 * The keys of a cluster. The first seals and is shown, all are accepted: so a key is replaced while
 * the cluster runs, first known to all, then used by all, then forgotten.
 */
import { hkdfSync } from 'node:crypto'

/** Most keys that a member accepts at a time: during a rotation it is two. */
export const KEYS_MAX = 4

const ID_BYTES = 4

/** The name of a key that may be shown and logged: 4 bytes in hex that do not tell the key. */
export function keyId(key: string): string {
  return Buffer.from(hkdfSync('sha256', key, '', 'aries key id', ID_BYTES)).toString('hex')
}
