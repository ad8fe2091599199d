/** What can happen next in the small case, and what it does. */
import type { ClaimOutcome } from '../../move/messages.ts'
import { doCall, outcomeOf } from './calls.ts'
import { Move, type Step } from './move.ts'
import { type Name, opened, type Request, stepTarget } from './state.ts'

const NAMES: readonly Name[] = ['s', 't']
const REQUESTS: readonly Request[] = ['r1', 'r2']

/** A state and the rules. */
export class World extends Move {
  steps(): Step<World>[] {
    return [...this.moveSteps(), ...this.storeSteps(), ...this.frontSteps(), ...this.faults()]
  }

  /** Nothing can happen any more: everything must be in order. */
  checkEnd(): void {
    const { requests, source, target, store, hosts } = this.state
    for (const request of REQUESTS) {
      if (requests[request] !== 'answered')
        this.fail(`I6 NoLostRequest: ${request} is not answered`)
    }
    if (source && !source.over) this.fail('I12 MigrationTerminates: the source has no end')
    if (target && !target.over) this.fail('I13 ReservationReleased: the target has no end')
    for (const name of NAMES) {
      const { worker } = hosts[name]
      if (worker && (store.node !== name || worker.epoch !== store.epoch)) {
        this.fail(`I14 DirectoryConverges: open at ${name} under ${worker.epoch}`)
      }
    }
  }

  storeSteps(): Step<World>[] {
    const steps: Step<World>[] = []
    for (const [i, call] of this.state.calls.entries()) {
      const name = `${call.what} of ${call.by}`
      if (call.result === 'none') steps.push({ what: `${name} is done`, run: (w) => w.done(i) })
      else steps.push({ what: `${name} is answered`, run: (w) => w.answer(i) })
    }
    return steps
  }

  done(i: number): void {
    const violation = doCall(this.state.store, this.state.calls[i]!)
    if (violation) this.fail(violation)
  }

  answer(i: number): void {
    const { state } = this
    const [call] = state.calls.splice(i, 1)
    const { by, incarnation, what } = call!
    const host = state.hosts[by]
    if (!host.up || host.incarnation !== incarnation) return
    const outcome = outcomeOf(call!)
    if (what === 'source') this.source({ type: 'claimed', outcome })
    else if (what === 'target') this.target({ type: 'claimed', outcome })
    else if (what === 'takeover') this.tookOver(by, outcome)
    else this.committed(by, call!)
  }

  tookOver(by: Name, outcome: ClaimOutcome): void {
    const { store, hosts } = this.state
    const host = hosts[by]
    if (!outcome.ok || host.worker) return
    // The load finds another epoch: the opening fails, and is tried again.
    if (store.node !== by || store.epoch !== outcome.epoch) return
    const log = store.log.map(({ request }) => request)
    host.worker = opened(outcome.epoch, log)
  }

  frontSteps(): Step<World>[] {
    const { state } = this
    const { store, hosts, requests } = state
    const steps: Step<World>[] = []
    for (const name of NAMES) {
      const { worker, up, incarnation } = hosts[name]
      for (const request of REQUESTS) {
        if (!worker) break
        // The two are alike: the first that is sent is called r1.
        if (request === 'r2' && state.unsent && requests.r1 === 'waiting') continue
        if (requests[request] === 'waiting') {
          steps.push({ what: `${request} goes to ${name}`, run: (w) => w.offer(name, request) })
        } else if (requests[request] === 'sent' && state.duplicates > 0) {
          steps.push({
            what: `${request} goes to ${name} again`,
            run: (w) => w.repeat(name, request),
          })
        }
      }
      const isFenced = up && store.active[name] !== incarnation
      if (isFenced) steps.push({ what: `${name} notices`, run: (w) => w.register(name) })
      if (this.mayOpen(name)) steps.push({ what: `${name} opens`, run: (w) => w.open(name) })
    }
    return steps
  }

  /** Somebody asks for a worker that is open nowhere, or whose owner is gone. */
  mayOpen(name: Name): boolean {
    const { store, hosts, calls, requests, target, source } = this.state
    const host = hosts[name]
    if (!host.up || host.worker || store.active[name] !== host.incarnation) return false
    if (calls.some(({ by, what }) => by === name && what !== 'commit')) return false
    if (!Object.values(requests).includes('waiting')) return false
    const claims = target && !target.over && stepTarget(target.events, undefined).phase === 'claim'
    if (name === 't' && claims) return false
    if (name === 's' && source && !source.over) return false
    const isMine = store.node === name && store.incarnation === host.incarnation
    return isMine || store.active[store.node] !== store.incarnation
  }

  open(name: Name): void {
    const { store, hosts } = this.state
    const host = hosts[name]
    const isMine = store.node === name && store.incarnation === host.incarnation
    if (!isMine) this.call(name, 'takeover', store.epoch)
    else {
      const log = store.log.map(({ request }) => request)
      host.worker = opened(store.epoch, log)
    }
  }

  offer(name: Name, request: Request): void {
    this.state.requests[request] = 'sent'
    this.state.unsent = false
    this.take(name, request)
  }

  repeat(name: Name, request: Request): void {
    this.state.duplicates--
    this.take(name, request)
  }

  register(name: Name): void {
    const { store, hosts } = this.state
    this.drop(name)
    const incarnation = ++store.lastIncarnation[name]
    store.active[name] = incarnation
    Object.assign(hosts[name], { up: true, incarnation })
    // Its process is started anew: its ends of moves are gone with the old one.
    this.endMoves(name)
  }

  faults(): Step<World>[] {
    const { store, hosts, crashes } = this.state
    const steps: Step<World>[] = []
    for (const name of NAMES) {
      const { up } = hosts[name]
      if (!up) steps.push({ what: `${name} starts again`, run: (w) => w.register(name) })
      if (!up && store.active[name] > 0) {
        steps.push({ what: `${name} is evicted`, run: (w) => w.evict(name) })
      }
      if (crashes === 0 || !up) continue
      steps.push({ what: `${name} crashes`, run: (w) => w.crash(name) })
    }
    return steps
  }

  crash(name: Name): void {
    const { state } = this
    state.crashes--
    const host = state.hosts[name]
    const { worker } = host
    host.up = false
    host.worker = undefined
    const lost = [...(worker?.queue ?? []), ...(worker?.held ?? []).map(({ request }) => request)]
    for (const request of lost) this.again(request)
    this.endMoves(name)
  }

  evict(name: Name): void {
    this.state.store.active[name] = 0
  }
}
