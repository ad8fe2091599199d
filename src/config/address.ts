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

/**
 * An upstream's `http://host:port` (port 80 when absent) or `tcp://host:port`. Undefined when it is
 * anything else: a path, a user or TLS would promise what forwarding does not do.
 */
export function parseUpstream(text: string, scheme: 'http' | 'tcp'): Address | undefined {
  const prefix = `${scheme}://`
  if (!text.startsWith(prefix)) return undefined
  const rest = text.slice(prefix.length).replace(/\/$/, '')
  return parseAddress(rest) ?? (scheme === 'http' ? parseAddress(`${rest}:80`) : undefined)
}

/** An address that no other machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** An address that stands for every interface of the machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
