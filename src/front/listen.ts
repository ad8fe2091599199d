/** Addresses to listen on: parsing them, and finding out whether they are free. */
import { createServer, type Server } from 'node:net'
import type { Listener } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { parseUpstream, type UpstreamAddress } from './routes.ts'

export interface ListenerAddress {
  /** As the configuration writes it, e.g. `127.0.0.1:8080`: its name in messages. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Servers behind a TCP listener; undefined: it takes HTTP. */
  readonly upstreams: readonly UpstreamAddress[] | undefined
}

/** Throws `ARIES_E_CONFIG` unless the listener is at `host:port` (port 0: the system's choice). */
export function parseListener(listener: Listener): ListenerAddress {
  const name = 'http' in listener ? listener.http : listener.tcp
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(name)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new AriesError('ARIES_E_CONFIG', `listener "${name}" is not host:port`)
  }
  const upstreams =
    'tcp' in listener ? listener.upstreams.map((url) => parseUpstream(url, 'tcp:')) : undefined
  return { name, host: (match[1] ?? match[2])!, port, upstreams }
}

/** Listens, or throws `ARIES_E_PORT_IN_USE` or `ARIES_E_CONFIG` with the listener's name. */
export function listen(
  server: Server,
  address: Pick<ListenerAddress, 'name' | 'host' | 'port'>,
  reusePort: boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE'
      reject(
        new AriesError(
          inUse ? 'ARIES_E_PORT_IN_USE' : 'ARIES_E_CONFIG',
          inUse
            ? `listener ${address.name}: the port is in use`
            : `listener ${address.name}: ${error.message}`,
        ),
      )
    })
    server.listen({ host: address.host, port: address.port, reusePort, backlog: 1_024 }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

/**
 * Makes sure that all `addresses` are free, and fills in the port where it is 0. Shards share their
 * ports (`SO_REUSEPORT`), and with that the system lets two fronts of one user share them too: only
 * an attempt without it tells that another process is there.
 */
export async function probe(addresses: readonly ListenerAddress[]): Promise<ListenerAddress[]> {
  const servers: Server[] = []
  try {
    const probed: ListenerAddress[] = []
    for (const address of addresses) {
      const server = createServer()
      await listen(server, address, false)
      servers.push(server)
      const bound = server.address()
      probed.push({ ...address, port: typeof bound === 'object' ? bound!.port : address.port })
    }
    return probed
  } finally {
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  }
}
