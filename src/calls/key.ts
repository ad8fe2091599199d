import { AriesError } from '../errors.ts'

/** Text that every store takes as part of a section's name. */
const KEY = /^[\x20-\x7e]{1,255}$/

/** Throws `ARIES_E_BAD_REQUEST` for an Idempotency-Key that is none. */
export function checkKey(key: string): string {
  if (KEY.test(key)) return key
  throw new AriesError(
    'ARIES_E_BAD_REQUEST',
    'an Idempotency-Key has 1 to 255 printable ASCII characters',
  )
}
