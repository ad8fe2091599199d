/** Which upstreams a configuration has. */
import type { ListenerAddress } from './listen.ts'
import type { RouteTable, UpstreamAddress } from './routes.ts'

/** Every upstream of the routes and the TCP listeners, once each, with the least of its limits. */
export function upstreamsOf(
  table: RouteTable,
  listeners: readonly ListenerAddress[],
): UpstreamAddress[] {
  const all = [
    ...table.routes.flatMap((route) =>
      route.kind === 'upstreams' ? route.items.flatMap((item) => item.upstreams) : [],
    ),
    ...listeners.flatMap((listener) => listener.upstreams ?? []),
    ...listeners.flatMap(({ sni = [] }) => sni.flatMap(({ upstreams }) => upstreams)),
  ]
  const byUrl = new Map<string, UpstreamAddress>()
  for (const address of all) {
    const other = byUrl.get(address.url)
    byUrl.set(address.url, other === undefined ? address : withLeast(address, other))
  }
  return [...byUrl.values()]
}

function withLeast(a: UpstreamAddress, b: UpstreamAddress): UpstreamAddress {
  return {
    ...a,
    inFlightMax: least(a.inFlightMax, b.inFlightMax),
    connectionsMax: least(a.connectionsMax, b.connectionsMax),
    health: a.health ?? b.health,
    outliers: a.outliers ?? b.outliers,
  }
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b)
}
