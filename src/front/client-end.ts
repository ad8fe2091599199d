/** What a session needs of its client, whatever the client speaks. */
import type { AriesError } from '../errors.ts'
import type { Frame } from '../session-frames.ts'

/** A client that is connected. */
export interface ClientEnd {
  /** What waits to be written to it, bytes. */
  readonly bufferedBytes: number
  /** Whether it hears the code of `close`, and so can tell a restart from an end. */
  readonly hearsCodes: boolean
  /** Does nothing when it has gone. `handedOn`: it is off our hands. */
  send(data: string | Uint8Array, handedOn: () => void): void
  /** Reads it or does not. */
  setReading(reads: boolean): void
  /** Ends it; 1006: cuts it. */
  close(code: number, reason: string): void
}

export interface ClientHandlers {
  readonly data: (data: string | Uint8Array) => void
  /** Once: it has gone. */
  readonly left: (code: number, reason: string) => void
}

/** A client that asks for a session, until it is accepted or refused. */
export interface Opening {
  /** What the host hears of it. */
  readonly request: Pick<Extract<Frame, { type: 'open' }>, 'url' | 'headers' | 'tcp'>
  /** Undefined when it has gone in the meantime. */
  accept(
    handlers: ClientHandlers,
    by: { readonly protocol: string; readonly node: string },
  ): ClientEnd | undefined
  /** `node`: who refused. */
  refuse(status: number, error: AriesError, node: string): void
}
