/** Kinds of values that several sections have. */
import { z } from 'zod'

export const id = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,31}$/,
    'an id is a small letter, then up to 31 small letters, digits or -',
  )
export const port = z.int().min(1).max(65_535)
/** Bytes of a whole state: at most what one record may carry, so that it can be recovered. */
export const stateBytes = z.int().min(1_024).max(268_435_456)

export const ms = z.int().min(1).max(86_400_000)
export const host = z.string().min(1).max(253)
