import type { Duplex } from 'node:stream'
import type { Timed } from '../../http1/deadlines.ts'
import type { EngineContext } from './context.ts'

/** The two ends of an upgraded connection. */
export interface TunnelEnds {
  readonly client: Duplex
  readonly target: Duplex
}

/** An upgraded connection: bytes both ways, until both sides ended, one failed, or nothing came for too long. */
export class Tunnel implements Timed {
  deadlineMs: number
  readonly #engine: EngineContext
  readonly #ends: TunnelEnds
  readonly #idleTimeoutMs: number
  readonly #ended: () => void
  #open = true

  constructor(engine: EngineContext, ends: TunnelEnds, idleTimeoutMs: number, ended: () => void) {
    this.#engine = engine
    this.#ends = ends
    this.#idleTimeoutMs = idleTimeoutMs
    this.#ended = ended
    this.deadlineMs = engine.deadlines.after(idleTimeoutMs)
  }

  /** Begins to splice; the arguments are what was read of each side already. */
  begin(fromClient: Buffer | undefined, fromTarget: Buffer | undefined): void {
    const { client, target } = this.#ends
    this.#engine.deadlines.add(this)
    this.#engine.stats.tunnelsOpen++
    this.#splice(client, target)
    this.#splice(target, client)
    if (fromClient !== undefined && fromClient.length > 0) target.write(fromClient)
    if (fromTarget !== undefined && fromTarget.length > 0) client.write(fromTarget)
    client.resume()
    target.resume()
  }

  expired(): void {
    this.destroy()
  }

  destroy(): void {
    this.#ends.client.destroy()
    this.#ends.target.destroy()
    this.#finish()
  }

  #splice(from: Duplex, to: Duplex): void {
    from.on('data', (chunk: Buffer) => {
      this.deadlineMs = this.#engine.deadlines.after(this.#idleTimeoutMs)
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
    from.on('error', () => this.destroy())
    from.on('close', () => this.#closed())
  }

  #closed(): void {
    const { client, target } = this.#ends
    if (client.destroyed && target.destroyed) this.#finish()
    // What the closed side has sent is still on its way to the other one: end it, do not cut it.
    else if (client.destroyed) target.end()
    else client.end()
  }

  #finish(): void {
    if (!this.#open) return
    this.#open = false
    this.#engine.deadlines.delete(this)
    this.#engine.stats.tunnelsOpen--
    this.#ended()
  }
}
