import type { Server as HttpServer } from 'node:http'
import type { ListenOptions, Server } from 'node:net'
import { formatAddress } from './config/address.ts'
import { AriesError } from './errors.ts'

/** Listens, or rejects with `ARIES_E_PORT_IN_USE` that names the address and its purpose. */
export function listenOn(
  server: Server,
  options: ListenOptions & { readonly host: string; readonly port: number },
  purpose: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      reject(listenError(error, formatAddress(options.host, options.port), purpose))
    }
    server.once('error', failed)
    server.listen(options, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

/** Ends a server of calls between members: its connections too, idle or not. */
export async function closeNow(server: HttpServer): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}

/** What to say of a failed `listen`. */
function listenError(error: NodeJS.ErrnoException, address: string, purpose: string): AriesError {
  const why: Record<string, string> = {
    EADDRINUSE: 'another process listens there',
    EADDRNOTAVAIL: 'this machine does not have that address',
    EACCES: 'this user may not listen there',
  }
  const reason = why[error.code ?? ''] ?? error.message
  return new AriesError(
    error.code === 'EADDRINUSE' ? 'ARIES_E_PORT_IN_USE' : 'ARIES_E_CONFIG',
    `cannot listen on ${address} (${purpose}): ${reason}`,
    { cause: error },
  )
}
