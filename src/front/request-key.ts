/** What requests can have in common: the client, a header, a cookie. For stickiness and limits. */
import type { RequestHead } from './plan.ts'

/** Undefined when the request has no such thing. */
export type RequestKey = (head: RequestHead) => string | undefined

/** `by`: as in the configuration (`address`, `header:x-user`, …), which has checked it. */
export function compileRequestKey(by: string): RequestKey {
  const colon = by.indexOf(':')
  const kind = colon < 0 ? by : by.slice(0, colon)
  const name = by.slice(colon + 1)
  switch (kind) {
    case 'path':
      return (head) => head.path
    case 'host':
      return (head) => head.header('host')?.toLowerCase()
    case 'header': {
      const lower = name.toLowerCase()
      return (head) => head.header(lower)
    }
    case 'cookie':
      return (head) => cookieOf(head, name)
    case 'query':
      return (head) => parameterOf(head.target, name)
    default:
      return (head) => clientNetwork(head.remoteAddress)
  }
}

/**
 * An IPv4 address, or the /64 of an IPv6 one: a client has a whole /64 to take addresses from.
 */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? 0 : tail.split(':').length
    while (groups.length + rest < 8 && groups.length < 4) groups.push('0')
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** Value of a cookie, as sent; of several the first. */
export function cookieOf(head: Pick<RequestHead, 'header'>, name: string): string | undefined {
  const all = head.header('cookie')
  if (all === undefined) return undefined
  let at = 0
  while (at < all.length) {
    while (all[at] === ' ' || all[at] === ';') at++
    const end = all.indexOf(';', at)
    const stop = end < 0 ? all.length : end
    if (all.startsWith(name, at) && all[at + name.length] === '=') {
      return all.slice(at + name.length + 1, stop).trim()
    }
    at = stop + 1
  }
  return undefined
}

/** First value of a parameter of the query. */
export function parameterOf(target: string, name: string): string | undefined {
  const at = target.indexOf('?')
  return at < 0 ? undefined : (new URLSearchParams(target.slice(at + 1)).get(name) ?? undefined)
}
