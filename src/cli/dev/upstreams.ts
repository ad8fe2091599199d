/** The demo's upstreams: small servers at those addresses of HTTP routes where nobody is yet. */
import { type Address, formatAddress, isLoopback, parseUpstream } from '../../config/address.ts'
import { listensOf } from '../../config/listens.ts'
import { urlsOf } from '../../config/routes.ts'
import type { Config } from '../../config/schema.ts'
import { bindProblem, PORT_TAKEN } from './preflight.ts'

/** Upstreams of HTTP routes at addresses of loopback that are not Aries' own. */
export interface LocalUpstreams {
  /** Nobody listens there. */
  readonly free: readonly Address[]
  /** Another process listens there. */
  readonly taken: readonly Address[]
}

export async function localUpstreams(config: Config): Promise<LocalUpstreams> {
  const own = new Set(listensOf(config).map(({ host, port }) => formatAddress(host, port)))
  const found = new Map<string, Address>()
  for (const route of config.routes) {
    if (!('upstreams' in route)) continue
    for (const upstream of route.upstreams.flatMap(urlsOf)) {
      const address = parseUpstream(upstream, 'http')
      if (address?.scheme !== 'http' || address.socketPath || !isLoopback(address.host)) continue
      const name = formatAddress(address.host, address.port)
      if (!own.has(name)) found.set(name, { host: address.host, port: address.port })
    }
  }
  const free: Address[] = []
  const taken: Address[] = []
  for (const address of found.values()) {
    const why = await bindProblem({ transport: 'tcp', ...address })
    if (why === undefined) free.push(address)
    else if (why === PORT_TAKEN) taken.push(address)
  }
  return { free, taken }
}
