/**
 * Unix sockets to listen at. A socket is made beside its path and renamed to it: clients find the old
 * one until the new one listens, a file that a dead process left behind is replaced, and closing the
 * old server does not take the file of the new one away.
 */
import { chmodSync, lstatSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { threadId } from 'node:worker_threads'
import { AriesError } from '../errors.ts'

/** Throws unless a socket can be made at `path`: nobody listens there, and it is no other kind of file. */
export async function checkPath(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) {
    throw new AriesError('ARIES_E_CONFIG', `cannot listen on unix:${path}: it is not a socket`)
  }
  if (!(await answers(path))) return
  throw new AriesError(
    'ARIES_E_PORT_IN_USE',
    `cannot listen on unix:${path} (listener): another process listens there`,
  )
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Listens with the permissions `mode`, or throws `ARIES_E_CONFIG`. */
export function listenAtPath(server: Server, path: string, mode: number): Promise<void> {
  const fresh = `${path}.${process.pid}.${threadId}`
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const why = `cannot listen on unix:${path} (listener): ${error.message}`
      reject(new AriesError('ARIES_E_CONFIG', why, { cause: error }))
    }
    server.once('error', failed)
    server.listen({ path: fresh }, () => {
      server.off('error', failed)
      try {
        chmodSync(fresh, mode)
        renameSync(fresh, path)
        resolve()
      } catch (thrown) {
        server.close()
        failed(thrown as Error)
      }
    })
  })
}

/** The inode of the socket at `path`. */
export function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

/** Removes the file if it still is the socket with that inode. */
export function removeSocket(path: string, inode: number | undefined): void {
  if (inode !== undefined && inodeOf(path) === inode) unlinkSync(path)
}
