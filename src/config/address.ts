/** A host and a port as they stand in the files: `127.0.0.1:8080`, `[::1]:8080`, `name:80`. */
export interface Address {
  readonly host: string
  readonly port: number
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.%]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/

/** Undefined when `text` is no `host:port` with a port of 1 to 65535. */
export function parseAddress(text: string): Address | undefined {
  const match = ADDRESS.exec(text)
  if (!match) return undefined
  const port = Number(match[3])
  if (port < 1 || port > 65_535) return undefined
  return { host: match[1] ?? match[2]!, port }
}

/** `host:port`, with an IPv6 host in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** How an upstream is spoken to: by which protocol, and whether over TLS or a socket of the file system. */
export interface UpstreamUrl extends Address {
  readonly scheme: 'http' | 'https' | 'h2' | 'h2c' | 'tcp'
  /** Of a Unix socket, whose `host` is `localhost`. */
  readonly socketPath?: string
}

const DEFAULT_PORTS = { http: 80, https: 443, h2: 443, h2c: 80 } as const
const UPSTREAM = /^(http|https|h2|h2c|tcp):\/\/(.+?)\/?$/
/** Absolute; systems take 107 bytes, some only 103. */
const UNIX = /^unix:(\/[!-"$->@-~]{1,102})$/

/**
 * An upstream of a route or of a TCP listener: `http`, `https`, `h2` (HTTP/2 over TLS), `h2c` (without)
 * or `tcp`, `://` and `host:port`, where HTTP has ports of its own, or `unix:/path`. Undefined when it
 * is anything else: a path or a user would promise what forwarding does not do.
 */
export function parseUpstream(text: string, kind: 'http' | 'tcp'): UpstreamUrl | undefined {
  const socketPath = UNIX.exec(text)?.[1]
  if (socketPath !== undefined) {
    return { scheme: kind, host: 'localhost', port: 80, socketPath }
  }
  const match = UPSTREAM.exec(text)
  if (!match) return undefined
  const scheme = match[1] as UpstreamUrl['scheme']
  if ((scheme === 'tcp') !== (kind === 'tcp')) return undefined
  const rest = match[2]!
  const address =
    parseAddress(rest) ??
    (scheme === 'tcp' ? undefined : parseAddress(`${rest}:${DEFAULT_PORTS[scheme]}`))
  return address && { scheme, ...address }
}

/** What `parseUpstream` takes, for messages. */
export function upstreamForms(kind: 'http' | 'tcp'): string {
  return kind === 'tcp'
    ? '`tcp://host:port` or `unix:/path`'
    : '`http://host:port`, without a path; or `https`, `h2`, `h2c` for `http`, or `unix:/path`'
}

/** Before the path of a Unix socket where an address could stand. */
export const UNIX_PREFIX = 'unix:'

/** The path in `unix:PATH`; undefined when it is something else. */
export function unixPath(text: string): string | undefined {
  const isUnix = text.startsWith(UNIX_PREFIX) && text.length > UNIX_PREFIX.length
  return isUnix ? text.slice(UNIX_PREFIX.length) : undefined
}

/** An address that no other machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** An address that stands for every interface of the machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
