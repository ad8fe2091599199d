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

/** A name of a header or a method (RFC 9110 §5.6.2). */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** A token, too (RFC 6265 §4.1.1). */
export const COOKIE_NAME = TOKEN
/** What one request has in common with others: `src/front/request-key.ts`. */
export const REQUEST_KEY =
  /^(?:address|path|host|(?:header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+|query:[^&=#\s]+)$/

/** The same, or all requests of the route. */
export const RATE_KEY = new RegExp(`^route$|${REQUEST_KEY.source}`)

/** A value of a header: printable ASCII, without space at its ends. */
export const FIELD_VALUE = /^(?:[!-~](?:[ \t!-~]*[!-~])?)?$/

export const fieldName = z.string().regex(TOKEN, 'is no name of a header')
export const fieldValue = z
  .string()
  .regex(FIELD_VALUE, 'is no value of a header: printable ASCII, without space at its ends')

/** Variables of `fieldTemplate`; `{{` is none. */
export const VARIABLE =
  /\{\{|\{(client|scheme|host|method|path|query|(?:header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)\}/g
export const fieldTemplate = fieldValue.refine(
  (text) => !text.replace(VARIABLE, '').includes('{'),
  'has a `{` that begins no variable; `{{` is a brace',
)
