/** Kinds of values that several sections have. */
import { z } from 'zod'

export const id = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,31}$/,
    'an id is a small letter, then up to 31 small letters, digits or -',
  )
export const port = z.int().min(1).max(65_535)
export const ms = z.int().min(1).max(86_400_000)
export const host = z.string().min(1).max(253)
