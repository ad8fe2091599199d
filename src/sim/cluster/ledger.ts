/**
 * The worker of the simulation. Every turn that changes it counts one up and says in `last` what it
 * was: so the sequence of what is committed tells the whole history of the worker.
 */
import type { WorkerSocket } from '../../worker/index.ts'
import { Worker } from '../../worker/index.ts'

/** What a turn did. */
export interface Entry {
  readonly n: number
  readonly request?: number
  /** Message `k` of the client's session `session`. */
  readonly session?: string
  readonly k?: number
  /** An alarm that was set for then rang. */
  readonly rang?: number
  /** The turn set an alarm. */
  readonly set?: number
}

/** What a request asks for. */
export interface Asked {
  readonly id: number
  /** The turn waits so long in its middle. */
  readonly slowMs?: number
  /** The turn throws after it has changed something. */
  readonly throws?: boolean
  /** Sets an alarm so far ahead. */
  readonly alarmMs?: number
}

export const SLOTS = 9
/** A state of some KB goes with the fence of a move, the large one's is copied before. */
const SLOT_BYTES = 100
const SLOT_BYTES_LARGE = 9_000
export const LARGE_KEY = 'large'

interface LedgerState {
  n: number
  last: Entry
  sum: number
  [slot: `slot${number}`]: { value: number; padding: string }
}

export default class Ledger extends Worker<LedgerState> {
  async fetch(request: Request): Promise<Response> {
    if (request.method === 'GET') return Response.json({ n: this.#n, node: this.node })
    const asked = (await request.json()) as Asked
    if (asked.slowMs !== undefined) await new Promise((done) => setTimeout(done, asked.slowMs))
    if (asked.alarmMs === undefined) this.#note({ request: asked.id })
    else {
      const at = Date.now() + asked.alarmMs
      this.setAlarm(at)
      this.#note({ request: asked.id, set: at })
    }
    if (asked.throws) throw new Error('as asked')
    return Response.json({ n: this.#n, id: asked.id, node: this.node })
  }

  override alarm(at: number): void {
    this.#note({ rang: at })
    this.#tellAll()
  }

  override webSocketOpen(ws: WorkerSocket): void {
    ws.send(`hello ${this.#n}`)
  }

  override webSocketMessage(ws: WorkerSocket, message: string | Uint8Array): void {
    const [session, k] = String(message).split(' ')
    this.#note({ session: session!, k: Number(k) })
    ws.send(`echo ${k} ${this.#n}`)
    this.#tellAll()
  }

  get #n(): number {
    return this.state.get('n') ?? 0
  }

  #tellAll(): void {
    for (const socket of this.webSockets) socket.send(`n ${this.#n}`)
  }

  #note(what: Omit<Entry, 'n'>): void {
    const n = this.#n + 1
    const slot = `slot${n % SLOTS}` as const
    const before = this.state.get(slot)?.value ?? 0
    this.state.set('n', n)
    this.state.set('last', { n, ...what })
    this.state.set('sum', (this.state.get('sum') ?? 0) + n - before)
    if (n % 11 === 0) {
      this.state.delete(slot)
      this.state.set('sum', this.state.get('sum')! - n)
      return
    }
    const bytes = this.key === LARGE_KEY ? SLOT_BYTES_LARGE : SLOT_BYTES
    this.state.set(slot, { value: n, padding: 'x'.repeat(bytes) })
  }
}
