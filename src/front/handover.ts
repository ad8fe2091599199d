/**
 * What a front leaves to the process that takes its place: its listening sockets, so that no
 * connection that waits in one is lost, and what it knows. The new process is a child of the old one,
 * has the sockets among its file descriptors and hears the rest over the IPC channel.
 */
import type { Server } from 'node:net'
import type { ErrorBody } from '../errors.ts'
import type { Member } from '../gossip/types.ts'

/** A socket that listens, in whose line connections may wait. */
export interface ListeningSocket {
  /** `listenerKey` of its listener. */
  readonly listener: string
  readonly port: number
  /** Its number in the process that has it. */
  readonly fd: number
}

export interface Inheritance {
  readonly sockets: readonly ListeningSocket[]
  readonly members: readonly Member[]
  /** URLs of the upstreams that are not healthy. */
  readonly unhealthy: readonly string[]
  /** Those that drain, and how long those who are bound to them may stay. */
  readonly draining: readonly { readonly url: string; readonly boundMs: number }[]
  /** Clients resume TLS sessions of the old process with the new one. */
  readonly ticketKeys: Uint8Array
}

export type FromPredecessor =
  | { readonly type: 'inheritance'; readonly inheritance: Inheritance }
  /** Gossip and admin port are free. */
  | { readonly type: 'ports' }

export type FromSuccessor =
  /** It has its configuration. Answered with `inheritance`. */
  | { readonly type: 'began' }
  /** Its shards take clients. Answered with `ports`. */
  | { readonly type: 'serving' }
  /** It has the ports as well: the old one is needed no more. */
  | { readonly type: 'complete' }
  | { readonly type: 'failed'; readonly error: ErrorBody }
  /** It has a successor of its own, and its end is no news. */
  | { readonly type: 'replaced' }

/** Set for a process that is to take the place of its parent. */
export const SUCCESSOR_ENV = 'ARIES_SUCCESSOR'
/** File descriptors of a successor: the line to the keeper, IPC, from there on listening sockets. */
export const KEEPER_FD = 3
const IPC_FD = 4
const SOCKETS_FD = 5

/** The standard streams of a successor, and which of `sockets` has which number there. */
export function successorStreams(
  sockets: readonly ListeningSocket[],
  keeper: 'pipe' | number,
): { stdio: ('inherit' | 'ignore' | 'ipc' | 'pipe' | number)[]; sockets: ListeningSocket[] } {
  const stdio: ReturnType<typeof successorStreams>['stdio'] = []
  stdio.push('inherit', 'inherit', 'inherit', keeper)
  stdio[IPC_FD] = 'ipc'
  // One that was inherited lacks close-on-exec: at another number the child would have it twice.
  const isKept = ({ fd }: ListeningSocket): boolean => fd >= SOCKETS_FD && fd < KEPT_MAX
  const taken = new Set(sockets.filter(isKept).map(({ fd }) => fd))
  let free = SOCKETS_FD
  const there = sockets.map((socket): ListeningSocket => {
    if (isKept(socket)) {
      stdio[socket.fd] = socket.fd
      return socket
    }
    while (taken.has(free)) free++
    stdio[free] = socket.fd
    return { ...socket, fd: free++ }
  })
  for (let fd = 0; fd < stdio.length; fd++) stdio[fd] ??= 'ignore'
  return { stdio, sockets: there }
}

/** A higher number is not kept: the streams of a process are a list. */
const KEPT_MAX = 1_024

/** The file descriptor of a server that listens. */
export function fdOf(server: Server): number {
  // Node has no public name for it; a cluster of processes shares its sockets by the same.
  const { _handle: handle } = server as Server & { _handle?: { readonly fd: number } | null }
  if (handle === null || handle === undefined) throw new Error('the server does not listen')
  return handle.fd
}

/** Takes the clients that come to the listening socket `fd`. */
export function listenAt(server: Server, fd: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}
