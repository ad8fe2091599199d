/**
 * Character classes and names of RFC 9110 and RFC 9112, as tables: a head is checked byte by byte,
 * and what no table allows is refused.
 */

function table(chars: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (chars(code) ? 1 : 0))
}

const TOKEN_CHARS = /[!#$%&'*+.^_`|~0-9A-Za-z-]/

/** tchar (RFC 9110 §5.6.2). */
export const TOKEN = table((code) => TOKEN_CHARS.test(String.fromCharCode(code)) && code < 0x80)
/** field-vchar, SP and HTAB (RFC 9110 §5.5); no CTL, no NUL, no DEL. */
export const FIELD_VALUE = table((code) => code === 9 || (code >= 0x20 && code !== 0x7f))
/**
 * Request target: visible ASCII without `#`. Wider than RFC 3986, which browsers do not keep to in
 * queries; none of it can be taken for framing.
 */
export const TARGET = table((code) => code > 0x20 && code < 0x7f && code !== 0x23)

export const SP = 0x20
export const HTAB = 0x09
export const CR = 0x0d
export const LF = 0x0a
export const COLON = 0x3a

/** What the engine has to know about a header line; everything else is `OTHER` and passes. */
export const OTHER = 0
export const HOST = 1
export const CONTENT_LENGTH = 2
export const TRANSFER_ENCODING = 3
export const CONNECTION = 4
/** Meant for the next hop only: Keep-Alive, Proxy-Connection, TE, Proxy-Authenticate, Proxy-Authorization. */
export const HOP_BY_HOP = 5
export const KEEP_ALIVE = 6
export const UPGRADE = 7
export const EXPECT = 8
/** `aries-…`: the headers between front and node. */
export const ARIES = 9
export const ARIES_OWNER = 10
export const ARIES_FAULT = 11
/** `Forwarded` and `X-Forwarded-…`: what the client claims about itself. */
export const FORWARDED = 12
export const MAX_FORWARDS = 13
export const ARIES_NODE = 14
export const ARIES_LOAD = 15
/** Of a line that was taken out. */
export const REMOVED = 16
/** Of a line that the configuration adds: it passes, whatever the client's `Connection` names. */
export const ADDED = 17
const KINDS = 18

/** A table for `Fields.copy`: 1 for each kind that `keep` names. */
export function kindTable(keep: (kind: number) => boolean): Uint8Array {
  const kept = (kind: number): boolean => kind === ADDED || (kind !== REMOVED && keep(kind))
  return Uint8Array.from({ length: KINDS }, (_, kind) => (kept(kind) ? 1 : 0))
}

const NAMES: readonly (readonly [string, number])[] = [
  ['host', HOST],
  ['content-length', CONTENT_LENGTH],
  ['transfer-encoding', TRANSFER_ENCODING],
  ['connection', CONNECTION],
  ['keep-alive', KEEP_ALIVE],
  ['proxy-connection', HOP_BY_HOP],
  ['te', HOP_BY_HOP],
  ['proxy-authenticate', HOP_BY_HOP],
  ['proxy-authorization', HOP_BY_HOP],
  ['upgrade', UPGRADE],
  ['expect', EXPECT],
  ['aries-node', ARIES_NODE],
  ['aries-owner', ARIES_OWNER],
  ['aries-fault', ARIES_FAULT],
  ['aries-load', ARIES_LOAD],
  ['forwarded', FORWARDED],
  ['max-forwards', MAX_FORWARDS],
]

const NAMES_BY_LENGTH: (readonly (readonly [string, number])[] | undefined)[] = []
for (const entry of NAMES) {
  NAMES_BY_LENGTH[entry[0].length] = [...(NAMES_BY_LENGTH[entry[0].length] ?? []), entry]
}
const NAME_LENGTH_MAX = NAMES_BY_LENGTH.length - 1

/** Whether `text` has `lower` (small letters) at `at`, ignoring the case of ASCII letters. */
export function hasAt(text: string, at: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(at + i)
    const want = lower.charCodeAt(i)
    if (code !== want && (code < 0x41 || code > 0x5a || code + 32 !== want)) return false
  }
  return true
}

/**
 * Like `hasAt`, with `_` for `-`: servers that know header lines by the names of CGI (RFC 3875 §4.1.18)
 * take the one for the other.
 */
function resemblesAt(text: string, at: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(at + i)
    const want = lower.charCodeAt(i)
    if (code === want || (code === 0x5f && want === 0x2d)) continue
    if (code < 0x41 || code > 0x5a || code + 32 !== want) return false
  }
  return true
}

/** `HOP_BY_HOP` for what only resembles the name of that kind: it is not read, and not passed on. */
function kindIfExact(text: string, at: number, lower: string, kind: number): number {
  return hasAt(text, at, lower) ? kind : HOP_BY_HOP
}

/** The kind of the header name `text[start, end)`. */
export function fieldKind(text: string, start: number, end: number): number {
  const length = end - start
  const candidates = length <= NAME_LENGTH_MAX ? NAMES_BY_LENGTH[length] : undefined
  if (candidates !== undefined) {
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]!
      if (resemblesAt(text, start, candidate[0])) {
        return kindIfExact(text, start, candidate[0], candidate[1])
      }
    }
  }
  const first = text.charCodeAt(start) | 0x20
  if (first === 0x61 && length >= 6 && resemblesAt(text, start, 'aries-')) {
    return kindIfExact(text, start, 'aries-', ARIES)
  }
  if (first === 0x78 && length > 12 && resemblesAt(text, start, 'x-forwarded-')) {
    return kindIfExact(text, start, 'x-forwarded-', FORWARDED)
  }
  return OTHER
}

/** Whether `value` may stand in a header line as it is. */
export function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    if (FIELD_VALUE[value.charCodeAt(i)] !== 1) return false
  }
  return true
}

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (TOKEN[text.charCodeAt(i)] !== 1) return false
  }
  return text.length > 0
}

const HOST_VALUE =
  /^(?:\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?$/

/** `uri-host [":" port]` (RFC 9110 §7.2), not empty; no comma, which two merged Host lines have. */
export function isHost(value: string): boolean {
  if (value === lastHost) return true
  if (!HOST_VALUE.test(value)) return false
  lastHost = value
  return true
}

/** Most requests name the host that the one before named. */
let lastHost: string | undefined
