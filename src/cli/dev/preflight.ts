/** Are all addresses of the configuration free? Asked before anything is started. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { formatAddress } from '../../config/address.ts'
import { type Listen, listensOf } from '../../config/listens.ts'
import { formatFile, formatPath } from '../../config/problems.ts'
import type { Config } from '../../config/schema.ts'
import { AriesError } from '../../errors.ts'

/** More of them say the same. */
const NAMED_MAX = 4

/** What `bindProblem` says when somebody listens there. */
export const PORT_TAKEN = 'another process has this port'

/** Throws `ARIES_E_PORT_IN_USE` that names each address, its purpose and the file that gives it. */
export async function checkPorts(config: Config): Promise<void> {
  const taken: string[] = []
  for (const listen of listensOf(config)) {
    const why = await bindProblem(listen)
    if (why === undefined) continue
    const { host, port, transport, purpose, file, path } = listen
    const address = `${formatAddress(host, port)} (${transport.toUpperCase()}, ${purpose})`
    taken.push(`${address}: ${why}; ${formatFile(file)}: ${formatPath(path)}`)
  }
  if (taken.length === 0) return
  const more = taken.length - NAMED_MAX
  const lines = taken.slice(0, NAMED_MAX)
  if (more > 0) lines.push(`and ${more} more: does this cluster run already?`)
  throw new AriesError('ARIES_E_PORT_IN_USE', `nothing was started\n  ${lines.join('\n  ')}`)
}

/** Why nothing can listen at `listen`; undefined when something can. */
export function bindProblem(
  listen: Pick<Listen, 'transport' | 'host' | 'port'>,
): Promise<string | undefined> {
  const { transport, host, port } = listen
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => resolve(reasonOf(error))
    if (transport === 'udp') {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
      socket.once('error', failed)
      socket.bind({ address: host, port, exclusive: true }, () =>
        socket.close(() => resolve(undefined)),
      )
    } else {
      const server = createServer()
      server.once('error', failed)
      server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
    }
  })
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return PORT_TAKEN
  if (error.code === 'EADDRNOTAVAIL') return 'this machine does not have this address'
  if (error.code === 'EACCES') return 'this user may not use this port'
  return error.message
}
