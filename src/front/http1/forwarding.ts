import { type BlockList, isIP } from 'node:net'
import { UNIX_PEER } from '../../config/schema/listeners.ts'
import type { Fields } from '../../http1/fields.ts'
import { FORWARDED, hasAt } from '../../http1/grammar.ts'
import { subnetsOf } from '../../subnets.ts'

/** Addresses looked at in one chain: what a client can make long must not cost more. */
const HOPS_MAX = 32

export type Scheme = 'http' | 'https'

/**
 * What is told to a target of the client before it, and what is believed of it. Whoever is no
 * trusted proxy may claim anything: its `Forwarded` and `X-Forwarded-…` are dropped. A trusted one's
 * are kept, and its address is added to the chain (RFC 7239 §4; `X-Forwarded-For` by convention).
 */
export class Forwarding {
  readonly #trusted: BlockList | undefined
  readonly #trustsUnix: boolean

  /** `trustedProxies`: addresses and subnets, and `unix`. */
  constructor(trustedProxies: readonly string[]) {
    const subnets = trustedProxies.filter((each) => each !== UNIX_PEER)
    this.#trustsUnix = subnets.length < trustedProxies.length
    if (subnets.length > 0) this.#trusted = subnetsOf(subnets)
  }

  trusts(address: string): boolean {
    if (address === UNIX_PEER) return this.#trustsUnix
    if (this.#trusted === undefined) return false
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    return address !== '' && this.#trusted.check(address, family)
  }

  /** The address of the client: of the chain, from its end, the first that is no trusted proxy. */
  clientOf(fields: Fields, peer: string): string {
    let client = peer
    const chain = valuesOf(fields, 'x-forwarded-for').split(',')
    for (const hop of chain.reverse().slice(0, HOPS_MAX)) {
      const address = hop.trim()
      if (isIP(address) === 0) return client
      client = address
      if (!this.trusts(address)) return client
    }
    return client
  }
}

/** How the client came to a trusted proxy; `own`: how that came to us. */
export function schemeOf(fields: Fields, own: Scheme): Scheme {
  const said = valuesOf(fields, 'x-forwarded-proto').toLowerCase()
  return said === 'http' || said === 'https' ? said : own
}

/** The lines about a client that nobody vouches for; the same for every request of a connection. */
export function forwardedLines(peer: string, scheme: Scheme): string {
  return `X-Forwarded-For: ${peer}\r\nX-Forwarded-Proto: ${scheme}\r\n`
}

/** The line of the host that the client asked for; none in HTTP/1.0 without. */
export function forwardedHost(host: string): string {
  return host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`
}

/** What `Forwarded` says of one hop (RFC 7239 §4). */
export function forwardedElement(peer: string, scheme: Scheme, host: string): string {
  const asked = host === '' ? '' : `;host="${host}"`
  return `for=${nodeOf(peer)}${asked};proto=${scheme}`
}

/**
 * All lines about the client of a trusted proxy. `element`: what `Forwarded` is to say of the hop to
 * us; without, it is said only when the proxy says something.
 */
export function passedOnLines(
  fields: Fields,
  peer: string,
  scheme: Scheme,
  host: string,
  element?: string,
): string {
  const before = valuesOf(fields, 'x-forwarded-for')
  const standard = valuesOf(fields, 'forwarded')
  let out = `X-Forwarded-For: ${before === '' ? peer : `${before}, ${peer}`}\r\n`
  if (standard !== '') out += `Forwarded: ${standard}, ${element ?? `for=${nodeOf(peer)}`}\r\n`
  else if (element !== undefined) out += `Forwarded: ${element}\r\n`
  if (valuesOf(fields, 'x-forwarded-proto') === '') out += `X-Forwarded-Proto: ${scheme}\r\n`
  if (valuesOf(fields, 'x-forwarded-host') === '') out += forwardedHost(host)
  for (let i = 0; i < fields.count; i++) {
    if (fields.kind(i) !== FORWARDED || isNamed(fields.name(i), REWRITTEN)) continue
    out += `${fields.name(i)}: ${fields.value(i)}\r\n`
  }
  return out
}

const REWRITTEN = ['x-forwarded-for', 'forwarded']

function isNamed(name: string, names: readonly string[]): boolean {
  return names.some((one) => one.length === name.length && hasAt(name, 0, one))
}

/** All values of one name as one list. */
function valuesOf(fields: Fields, name: string): string {
  let out = ''
  for (let i = 0; i < fields.count; i++) {
    if (fields.kind(i) !== FORWARDED || !isNamed(fields.name(i), [name])) continue
    const value = fields.value(i)
    if (value !== '') out += out === '' ? value : `, ${value}`
  }
  return out
}

/** An IPv6 address stands in brackets and quotes (RFC 7239 §6); a Unix socket has none. */
function nodeOf(address: string): string {
  if (isIP(address) === 0) return 'unknown'
  return address.includes(':') ? `"[${address}]"` : address
}
