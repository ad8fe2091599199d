/** The open workers of the small case: their turns, their commits, and the answers that wait. */
import type { SourceEvent } from '../../move/source.ts'
import type { Section } from '../../store/store.ts'
import type { Call, Name, Request, WalkState, WalkWorker } from './state.ts'

export abstract class Workers {
  readonly state: WalkState
  readonly violations: string[] = []

  constructor(state: WalkState) {
    this.state = state
  }

  /** The source of the move hears of it, if there is one. */
  abstract source(event: SourceEvent): void

  /** Tells the source when its worker is quiet. */
  abstract checkQuiet(): void

  /** Turns run as soon as they can: what matters is when requests come, and when calls are done. */
  take(name: Name, request: Request): void {
    const worker = this.state.hosts[name].worker!
    worker.queue.push(request)
    this.pump(name)
  }

  pump(name: Name): void {
    const host = this.state.hosts[name]
    while (host.worker && !host.worker.paused && host.worker.queue.length > 0) this.turn(name)
  }

  turn(name: Name): void {
    const worker = this.state.hosts[name].worker!
    const request = worker.queue.shift()!
    const known = worker.log.indexOf(request) + 1
    if (known === 0) worker.log.push(request)
    const { length } = worker.log
    worker.held.push({ request, value: known === 0 ? length : known, after: length })
    if (known === 0 && name === 's') {
      const set = sectionsOf(worker.log).slice(-1)
      this.source({ type: 'turn', seq: length, changes: { set, remove: [] } })
    }
    this.commitNext(name, worker)
    this.release(name, worker)
  }

  call(by: Name, what: Call['what'], epoch: number, seq = 0, request?: Request): void {
    const { store, hosts, calls } = this.state
    const seen = { node: store.node, epoch: 0, seq: 0 }
    const { incarnation } = hosts[by]
    calls.push({ by, incarnation, what, epoch, seq, request, result: 'none', seen })
  }

  committed(by: Name, { epoch, seq, result }: Call): void {
    const host = this.state.hosts[by]
    const { worker } = host
    if (worker?.epoch !== epoch || worker.committed + 1 !== seq) return
    if (result !== 'ok') {
      this.drop(by)
      return
    }
    worker.committed = seq
    this.release(by, worker)
    this.commitNext(by, worker)
    if (by === 's') this.checkQuiet()
  }

  release(by: Name, worker: WalkWorker): void {
    const { store, requests } = this.state
    while (worker.held[0] && worker.held[0].after <= worker.committed) {
      const { request, value } = worker.held.shift()!
      const entry = store.log[value - 1]
      if (entry?.request !== request) {
        this.fail(`I4 AckedSurvives: ${by} answers ${request} with ${value}, the store disagrees`)
      }
      requests[request] = 'answered'
    }
  }

  commitNext(by: Name, worker: WalkWorker): void {
    if (worker.sent !== worker.committed || worker.sent === worker.log.length) return
    worker.sent++
    this.call(by, 'commit', worker.epoch, worker.sent, worker.log[worker.sent - 1])
  }

  drop(name: Name): void {
    const host = this.state.hosts[name]
    const { worker } = host
    if (!worker) return
    host.worker = undefined
    for (const request of [...worker.held.map((held) => held.request), ...worker.queue]) {
      this.again(request)
    }
    if (name === 's') this.source({ type: 'worker-lost', why: 'dropped' })
  }

  again(request: Request): void {
    const { requests } = this.state
    if (requests[request] === 'sent') requests[request] = 'waiting'
  }

  fail(what: string): void {
    this.violations.push(what)
  }
}

export function sectionsOf(log: readonly Request[]): Section[] {
  // As JSON keeps them; the cores look at nothing but the first byte.
  return log.map((name, i) => ({ name, value: [i + 1] as unknown as Uint8Array }))
}
