import type { Socket } from 'node:net'
import { AriesError } from '../errors.ts'

export interface FirstBytesLimits {
  readonly bytesMax: number
  readonly timeoutMs: number
  /** For messages: what is waited for. */
  readonly what: string
}

/**
 * Reads a fresh connection until `parse` has what it looks for, within limits, and puts back what it
 * did not use. `done` gets the connection paused, or the reason why there is none.
 */
export function readFirst<T extends { readonly used: number }>(
  socket: Socket,
  { bytesMax, timeoutMs, what }: FirstBytesLimits,
  parse: (bytes: Buffer) => T | undefined,
  done: (result: T | AriesError) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0)
  const finish = (result: T | AriesError): void => {
    clearTimeout(timer)
    socket.pause()
    socket.off('data', read).off('end', left).off('close', left)
    if (!(result instanceof AriesError) && result.used < bytes.length) {
      socket.unshift(bytes.subarray(result.used))
    }
    done(result)
  }
  const fail = (why: string): void => finish(new AriesError('ARIES_E_BAD_REQUEST', why))
  const read = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    let result: T | undefined
    try {
      result = parse(bytes)
    } catch (thrown) {
      finish(thrown as AriesError)
      return
    }
    if (result !== undefined) finish(result)
    else if (bytes.length >= bytesMax) fail(`${what} is longer than ${bytesMax} bytes`)
  }
  const left = (): void => fail(`the client left before ${what} was there`)
  const timer = setTimeout(() => {
    fail(`${what} did not come within ${timeoutMs} ms`)
  }, timeoutMs)
  socket.on('data', read).on('end', left).on('close', left)
  socket.resume()
}
