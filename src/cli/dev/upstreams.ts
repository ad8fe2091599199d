/** The demo's upstreams: small servers at those addresses of HTTP routes where nobody is yet. */
import { type Address, formatAddress, isLoopback, parseUpstream } from '../../config/address.ts'
import { listensOf } from '../../config/listens.ts'
import type { Config } from '../../config/schema.ts'
import { bindProblem } from './preflight.ts'

/** Addresses of loopback that no process has and that are not Aries' own. */
export async function freeUpstreams(config: Config): Promise<Address[]> {
  const own = new Set(listensOf(config).map(({ host, port }) => formatAddress(host, port)))
  const found = new Map<string, Address>()
  for (const route of config.routes) {
    if (!('upstreams' in route)) continue
    for (const upstream of route.upstreams) {
      const address = parseUpstream(upstream, 'http')
      if (address === undefined || !isLoopback(address.host)) continue
      const name = formatAddress(address.host, address.port)
      if (!own.has(name)) found.set(name, address)
    }
  }
  const free: Address[] = []
  for (const address of found.values()) {
    if ((await bindProblem({ transport: 'tcp', ...address })) === undefined) free.push(address)
  }
  return free
}
