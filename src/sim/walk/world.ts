/** What can happen next in the small case, and what it does. */
import type { ClaimOutcome } from '../../move/messages.ts'
import type { SourceEffect, SourceEvent } from '../../move/source.ts'
import type { TargetEffect, TargetEvent } from '../../move/target.ts'
import type { Section } from '../../store/store.ts'
import {
  type Call,
  type Name,
  opened,
  type Request,
  stepSource,
  stepTarget,
  type WalkState,
  type WalkWorker,
} from './state.ts'

const NAMES: readonly Name[] = ['s', 't']
const REQUESTS: readonly Request[] = ['r1', 'r2']

/** One thing that may happen now. */
export interface Step {
  readonly what: string
  readonly run: (world: World) => void
}

/** A state and the rules; `small`: the worker's state goes with the fence. */
export class World {
  readonly state: WalkState
  readonly violations: string[] = []
  readonly #small: boolean

  constructor(state: WalkState, small: boolean) {
    this.state = state
    this.#small = small
  }

  steps(): Step[] {
    return [...this.#moveSteps(), ...this.#storeSteps(), ...this.#frontSteps(), ...this.#faults()]
  }

  /** Nothing can happen any more: everything must be in order. */
  checkEnd(): void {
    const { requests, source, target, store, hosts } = this.state
    for (const request of REQUESTS) {
      if (requests[request] !== 'answered')
        this.#fail(`I6 NoLostRequest: ${request} is not answered`)
    }
    if (source && !source.over) this.#fail('I12 MigrationTerminates: the source has no end')
    if (target && !target.over) this.#fail('I13 ReservationReleased: the target has no end')
    for (const name of NAMES) {
      const { worker } = hosts[name]
      if (worker && (store.node !== name || worker.epoch !== store.epoch)) {
        this.#fail(`I14 DirectoryConverges: open at ${name} under ${worker.epoch}`)
      }
    }
  }

  // What goes on between the two hosts.

  #moveSteps(): Step[] {
    const { state } = this
    const { source, target, hosts } = state
    const steps: Step[] = []
    const add = (what: string, run: Step['run']): void => void steps.push({ what, run })
    if (!state.begun && hosts.s.worker && hosts.t.up) add('the move begins', (w) => w.#begin())
    for (const timer of source?.timers ?? []) {
      const name = timer as 'phase' | 'reclaim'
      add(`timer ${name} of the source`, (w) => w.#source({ type: 'timer', name }))
    }
    if (target?.timer) add('timer of the target', (w) => w.#target({ type: 'timer' }))
    if (state.toTarget.length > 0 && target) add('message to the target', (w) => w.#toTarget())
    else if (!state.linked.s && state.linked.t)
      add('the target loses the link', (w) => w.#lost('t'))
    if (state.toSource.length > 0 && source) add('message to the source', (w) => w.#toSource())
    else if (!state.linked.t && state.linked.s)
      add('the source loses the link', (w) => w.#lost('s'))
    return steps
  }

  #begin(): void {
    const { state } = this
    state.begun = true
    state.linked = { s: true, t: true }
    const { epoch } = state.hosts.s.worker!
    state.source = { epoch, events: [], timers: [], over: false }
    state.target = { events: [], timer: false, over: false }
    this.#source({ type: 'begin' })
  }

  #copy(): void {
    const { worker } = this.state.hosts.s
    if (!worker) return
    const { length } = worker.log
    if (length > 0) this.#source({ type: 'sections', seq: length, set: sectionsOf(worker.log) })
    this.#source({ type: 'copied' })
  }

  #toTarget(): void {
    this.#target({ type: 'message', message: this.state.toTarget.shift()! })
  }

  #toSource(): void {
    this.#source({ type: 'message', message: this.state.toSource.shift()! })
  }

  #lost(name: Name): void {
    const { state } = this
    state.linked[name] = false
    if (name === 's') this.#source({ type: 'link-lost' })
    else this.#target({ type: 'link-lost' })
  }

  #source(event: SourceEvent): void {
    const { source } = this.state
    if (!source || source.over) return
    const effects = stepSource(source, event, this.#small)
    // A source says something to all that it does not ignore.
    if (effects.length > 0) source.events.push(event)
    for (const effect of effects) this.#applySource(effect)
  }

  #applySource(effect: SourceEffect): void {
    const { state } = this
    const source = state.source!
    const { worker } = state.hosts.s
    switch (effect.do) {
      case 'send':
        if (state.linked.s && state.linked.t) state.toTarget.push(effect.message)
        break
      case 'copy':
        this.#copy()
        break
      case 'pause':
        if (worker) worker.paused = true
        this.#checkQuiet()
        break
      case 'resume':
        if (!worker) break
        worker.epoch = effect.epoch
        worker.paused = false
        this.#pump('s')
        break
      case 'claim':
        this.#call('s', 'source', effect.fromEpoch)
        break
      case 'hand-over':
        this.#handOver()
        break
      case 'drop':
        this.#drop('s')
        break
      case 'timer':
        source.timers = source.timers.filter((timer) => timer !== effect.name)
        if (effect.delayMs !== undefined) source.timers.push(effect.name)
        break
      case 'end':
        source.over = true
        source.events = []
        source.timers = []
        state.linked.s = false
        break
    }
  }

  #handOver(): void {
    const { s, t } = this.state.hosts
    const waiting = s.worker?.queue ?? []
    s.worker = undefined
    for (const request of waiting) {
      if (t.worker) this.#take('t', request)
      else this.#again(request)
    }
  }

  #checkQuiet(): void {
    const { source, hosts } = this.state
    const { worker } = hosts.s
    if (!worker?.paused || worker.held.length > 0 || worker.committed < worker.log.length) return
    if (!source || source.over || source.events.at(-1)?.type === 'quiet') return
    const { length } = worker.log
    const whole = this.#small ? sectionsOf(worker.log) : undefined
    this.#source({ type: 'quiet', seq: length, version: 0, count: length, whole, sessions: [] })
  }

  #target(event: TargetEvent): void {
    const { target } = this.state
    if (!target || target.over) return
    const { effects } = stepTarget(target.events, event)
    const isData = event.type === 'message' && /^(sections|changes)$/.test(event.message.type)
    if (effects.length > 0 || isData) target.events.push(event)
    for (const effect of effects) this.#applyTarget(effect)
  }

  #applyTarget(effect: TargetEffect): void {
    const { state } = this
    const target = state.target!
    switch (effect.do) {
      case 'admit':
        this.#target({ type: 'admitted', refusal: undefined, classVersion: 0 })
        break
      case 'send':
        if (state.linked.s && state.linked.t) state.toSource.push(effect.message)
        break
      case 'claim':
        this.#call('t', 'target', effect.fromEpoch)
        break
      case 'open':
        this.#arrive(effect)
        break
      case 'timer':
        target.timer = effect.delayMs !== undefined
        break
      case 'end':
        target.over = true
        target.events = []
        target.timer = false
        state.linked.t = false
        break
      default:
        break
    }
  }

  #arrive({ epoch, sections }: Extract<TargetEffect, { do: 'open' }>): void {
    const { store, hosts } = this.state
    if (!sections || (hosts.t.worker && hosts.t.worker.epoch >= epoch)) return
    const log = [...sections].toSorted(([, a], [, b]) => a[0]! - b[0]!).map(([name]) => name)
    const stands = store.log.map(({ request }) => request)
    if (store.epoch === epoch && log.join() !== stands.join()) {
      this.#fail(`I11 DigestEqual: [${log.join()}] came, the store has [${stands.join()}]`)
    }
    hosts.t.worker = opened(epoch, log as Request[])
  }

  // The store.

  #call(by: Name, what: Call['what'], epoch: number, seq = 0, request?: Request): void {
    const { store, hosts, calls } = this.state
    const seen = { node: store.node, epoch: 0, seq: 0 }
    const { incarnation } = hosts[by]
    calls.push({ by, incarnation, what, epoch, seq, request, result: 'none', seen })
  }

  #storeSteps(): Step[] {
    const steps: Step[] = []
    for (const [i, call] of this.state.calls.entries()) {
      const name = `${call.what} of ${call.by}`
      if (call.result === 'none') steps.push({ what: `${name} is done`, run: (w) => w.#do(i) })
      else steps.push({ what: `${name} is answered`, run: (w) => w.#answer(i) })
    }
    return steps
  }

  #do(i: number): void {
    const { store, calls } = this.state
    const call = calls[i]!
    const isActive = store.active[call.by] === call.incarnation
    const isMine = store.node === call.by && store.incarnation === call.incarnation
    const ownerLives = store.active[store.node] === store.incarnation
    if (call.what === 'commit') {
      const isNext = call.seq === store.log.length + 1 && call.epoch === store.epoch
      call.result = isActive && isMine && isNext ? 'ok' : 'fenced'
      if (call.result === 'ok') this.#append(call.request!, call.by)
      return
    }
    call.seen = { node: store.node, epoch: store.epoch, seq: store.log.length }
    if (!isActive) call.result = 'fenced'
    else if (call.epoch !== store.epoch) call.result = 'conflict'
    else if (call.what === 'takeover' && ownerLives && !isMine) call.result = 'conflict'
    else {
      call.result = 'ok'
      store.node = call.by
      store.incarnation = call.incarnation
      store.epoch++
      call.seen = { node: call.by, epoch: store.epoch, seq: store.log.length }
    }
  }

  #append(request: Request, by: Name): void {
    const { log } = this.state.store
    if (log.some((entry) => entry.request === request)) {
      this.#fail(`I5 NoDuplicateEffect: ${request} is applied twice`)
    }
    log.push({ request, by })
  }

  #answer(i: number): void {
    const { state } = this
    const [call] = state.calls.splice(i, 1)
    const { by, incarnation, result, seen, what } = call!
    const host = state.hosts[by]
    if (!host.up || host.incarnation !== incarnation) return
    const outcome = outcomeOf(result, seen)
    if (what === 'source') this.#source({ type: 'claimed', outcome })
    else if (what === 'target') this.#target({ type: 'claimed', outcome })
    else if (what === 'takeover') this.#tookOver(by, outcome)
    else this.#committed(by, call!)
  }

  #tookOver(by: Name, outcome: ClaimOutcome): void {
    const { store, hosts } = this.state
    const host = hosts[by]
    if (!outcome.ok || host.worker) return
    // The load finds another epoch: the opening fails, and is tried again.
    if (store.node !== by || store.epoch !== outcome.epoch) return
    const log = store.log.map(({ request }) => request)
    host.worker = opened(outcome.epoch, log)
  }

  #committed(by: Name, { epoch, seq, result }: Call): void {
    const host = this.state.hosts[by]
    const { worker } = host
    if (worker?.epoch !== epoch || worker.committed + 1 !== seq) return
    if (result !== 'ok') {
      this.#drop(by)
      return
    }
    worker.committed = seq
    this.#release(by, worker)
    this.#commitNext(by, worker)
    if (by === 's') this.#checkQuiet()
  }

  #release(by: Name, worker: WalkWorker): void {
    const { store, requests } = this.state
    while (worker.held[0] && worker.held[0].after <= worker.committed) {
      const { request, value } = worker.held.shift()!
      const entry = store.log[value - 1]
      if (entry?.request !== request) {
        this.#fail(`I4 AckedSurvives: ${by} answers ${request} with ${value}, the store disagrees`)
      }
      requests[request] = 'answered'
    }
  }

  #commitNext(by: Name, worker: WalkWorker): void {
    if (worker.sent !== worker.committed || worker.sent === worker.log.length) return
    worker.sent++
    this.#call(by, 'commit', worker.epoch, worker.sent, worker.log[worker.sent - 1])
  }

  // The front, and the control loops.

  #frontSteps(): Step[] {
    const { state } = this
    const { store, hosts, requests } = state
    const steps: Step[] = []
    for (const name of NAMES) {
      const { worker, up, incarnation } = hosts[name]
      for (const request of REQUESTS) {
        if (!worker) break
        // The two are alike: the first that is sent is called r1.
        if (request === 'r2' && state.unsent && requests.r1 === 'waiting') continue
        if (requests[request] === 'waiting') {
          steps.push({ what: `${request} goes to ${name}`, run: (w) => w.#offer(name, request) })
        } else if (requests[request] === 'sent' && state.duplicates > 0) {
          steps.push({
            what: `${request} goes to ${name} again`,
            run: (w) => w.#repeat(name, request),
          })
        }
      }
      const isFenced = up && store.active[name] !== incarnation
      if (isFenced) steps.push({ what: `${name} notices`, run: (w) => w.#register(name) })
      if (this.#mayOpen(name)) steps.push({ what: `${name} opens`, run: (w) => w.#open(name) })
    }
    return steps
  }

  /** Somebody asks for a worker that is open nowhere, or whose owner is gone. */
  #mayOpen(name: Name): boolean {
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

  #open(name: Name): void {
    const { store, hosts } = this.state
    const host = hosts[name]
    const isMine = store.node === name && store.incarnation === host.incarnation
    if (!isMine) this.#call(name, 'takeover', store.epoch)
    else {
      const log = store.log.map(({ request }) => request)
      host.worker = opened(store.epoch, log)
    }
  }

  #offer(name: Name, request: Request): void {
    this.state.requests[request] = 'sent'
    this.state.unsent = false
    this.#take(name, request)
  }

  /** Turns run as soon as they can: what matters is when requests come, and when calls are done. */
  #take(name: Name, request: Request): void {
    const worker = this.state.hosts[name].worker!
    worker.queue.push(request)
    this.#pump(name)
  }

  #pump(name: Name): void {
    const host = this.state.hosts[name]
    while (host.worker && !host.worker.paused && host.worker.queue.length > 0) this.#turn(name)
  }

  #repeat(name: Name, request: Request): void {
    this.state.duplicates--
    this.#take(name, request)
  }

  #turn(name: Name): void {
    const worker = this.state.hosts[name].worker!
    const request = worker.queue.shift()!
    const known = worker.log.indexOf(request) + 1
    if (known === 0) worker.log.push(request)
    const { length } = worker.log
    worker.held.push({ request, value: known === 0 ? length : known, after: length })
    if (known === 0 && name === 's') {
      const set = sectionsOf(worker.log).slice(-1)
      this.#source({ type: 'turn', seq: length, changes: { set, remove: [] } })
    }
    this.#commitNext(name, worker)
    this.#release(name, worker)
  }

  #drop(name: Name): void {
    const host = this.state.hosts[name]
    const { worker } = host
    if (!worker) return
    host.worker = undefined
    for (const request of [...worker.held.map((held) => held.request), ...worker.queue]) {
      this.#again(request)
    }
    if (name === 's') this.#source({ type: 'worker-lost', why: 'dropped' })
  }

  #again(request: Request): void {
    const { requests } = this.state
    if (requests[request] === 'sent') requests[request] = 'waiting'
  }

  #register(name: Name): void {
    const { store, hosts } = this.state
    this.#drop(name)
    const incarnation = ++store.lastIncarnation[name]
    store.active[name] = incarnation
    Object.assign(hosts[name], { up: true, incarnation })
    // Its process is started anew: its ends of moves are gone with the old one.
    this.#endMoves(name)
  }

  // What goes wrong.

  #faults(): Step[] {
    const { store, hosts, crashes } = this.state
    const steps: Step[] = []
    for (const name of NAMES) {
      const { up } = hosts[name]
      if (!up) steps.push({ what: `${name} starts again`, run: (w) => w.#register(name) })
      if (!up && store.active[name] > 0) {
        steps.push({ what: `${name} is evicted`, run: (w) => w.#evict(name) })
      }
      if (crashes === 0 || !up) continue
      steps.push({ what: `${name} crashes`, run: (w) => w.#crash(name) })
    }
    return steps
  }

  #crash(name: Name): void {
    const { state } = this
    state.crashes--
    const host = state.hosts[name]
    const { worker } = host
    host.up = false
    host.worker = undefined
    const lost = [...(worker?.queue ?? []), ...(worker?.held ?? []).map(({ request }) => request)]
    for (const request of lost) this.#again(request)
    this.#endMoves(name)
  }

  #endMoves(name: Name): void {
    const { state } = this
    state.linked[name] = false
    if (name === 's' && state.source) {
      Object.assign(state.source, { over: true, events: [], timers: [] })
      state.toSource = []
    }
    if (name === 't' && state.target) {
      Object.assign(state.target, { over: true, events: [], timer: false })
      state.toTarget = []
    }
  }

  #evict(name: Name): void {
    this.state.store.active[name] = 0
  }

  #fail(what: string): void {
    this.violations.push(what)
  }
}

function sectionsOf(log: readonly Request[]): Section[] {
  // As JSON keeps them; the cores look at nothing but the first byte.
  return log.map((name, i) => ({ name, value: [i + 1] as unknown as Uint8Array }))
}

function outcomeOf(result: Call['result'], seen: Call['seen']): ClaimOutcome {
  if (result === 'fenced') return { ok: false, why: 'fenced' }
  const { epoch, seq, node } = seen
  if (result === 'ok') return { ok: true, epoch, seq }
  return { ok: false, why: 'conflict', node, host: 1, epoch, seq }
}
