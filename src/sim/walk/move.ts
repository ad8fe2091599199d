/** The move of the small case: the real cores, the connection between them, what they ask for. */
import type { SourceEffect, SourceEvent } from '../../move/source.ts'
import type { TargetEffect, TargetEvent } from '../../move/target.ts'
import { type Name, opened, type Request, stepSource, stepTarget, type WalkState } from './state.ts'
import { sectionsOf, Workers } from './workers.ts'

/** One thing that may happen now. */
export interface Step<W> {
  readonly what: string
  readonly run: (world: W) => void
}

export class Move extends Workers {
  /** The worker's state goes with the fence; else it is copied before. */
  readonly small: boolean

  constructor(state: WalkState, small: boolean) {
    super(state)
    this.small = small
  }

  moveSteps(): Step<Move>[] {
    const { state } = this
    const { source, target, hosts } = state
    const steps: Step<Move>[] = []
    const add = (what: string, run: Step<Move>['run']): void => void steps.push({ what, run })
    if (!state.begun && hosts.s.worker && hosts.t.up) add('the move begins', (w) => w.begin())
    for (const timer of source?.timers ?? []) {
      const name = timer as 'phase' | 'reclaim'
      add(`timer ${name} of the source`, (w) => w.sourceTimer(name))
    }
    if (target?.timer) add('timer of the target', (w) => w.targetTimer())
    if (state.toTarget.length > 0 && target) add('message to the target', (w) => w.toTarget())
    else if (!state.linked.s && state.linked.t) add('the target loses the link', (w) => w.lost('t'))
    if (state.toSource.length > 0 && source) add('message to the source', (w) => w.toSource())
    else if (!state.linked.t && state.linked.s) add('the source loses the link', (w) => w.lost('s'))
    return steps
  }

  /** It rings once. */
  sourceTimer(name: 'phase' | 'reclaim'): void {
    const source = this.state.source!
    source.timers = source.timers.filter((timer) => timer !== name)
    this.source({ type: 'timer', name })
  }

  targetTimer(): void {
    this.state.target!.timer = false
    this.target({ type: 'timer' })
  }

  begin(): void {
    const { state } = this
    state.begun = true
    state.linked = { s: true, t: true }
    const { epoch } = state.hosts.s.worker!
    state.source = { epoch, events: [], timers: [], over: false }
    state.target = { events: [], timer: false, over: false }
    this.source({ type: 'begin' })
  }

  copy(): void {
    const { worker } = this.state.hosts.s
    if (!worker) return
    const { length } = worker.log
    if (length > 0) this.source({ type: 'sections', seq: length, set: sectionsOf(worker.log) })
    this.source({ type: 'copied' })
  }

  toTarget(): void {
    this.target({ type: 'message', message: this.state.toTarget.shift()! })
  }

  toSource(): void {
    this.source({ type: 'message', message: this.state.toSource.shift()! })
  }

  lost(name: Name): void {
    const { state } = this
    state.linked[name] = false
    if (name === 's') this.source({ type: 'link-lost' })
    else this.target({ type: 'link-lost' })
  }

  source(event: SourceEvent): void {
    const { source } = this.state
    if (!source || source.over) return
    const effects = stepSource(source, event, this.small)
    // A source says something to all that it does not ignore.
    if (effects.length > 0) source.events.push(event)
    for (const effect of effects) this.applySource(effect)
  }

  applySource(effect: SourceEffect): void {
    const { state } = this
    const source = state.source!
    const { worker } = state.hosts.s
    switch (effect.do) {
      case 'send':
        if (state.linked.s && state.linked.t) state.toTarget.push(effect.message)
        break
      case 'copy':
        this.copy()
        break
      case 'pause':
        if (worker) worker.paused = true
        this.checkQuiet()
        break
      case 'resume':
        if (!worker) break
        worker.epoch = effect.epoch
        worker.paused = false
        this.pump('s')
        break
      case 'claim':
        this.call('s', 'source', effect.fromEpoch)
        break
      case 'hand-over':
        this.handOver()
        break
      case 'drop':
        this.drop('s')
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

  handOver(): void {
    const { s, t } = this.state.hosts
    const waiting = s.worker?.queue ?? []
    s.worker = undefined
    for (const request of waiting) {
      if (t.worker) this.take('t', request)
      else this.again(request)
    }
  }

  checkQuiet(): void {
    const { source, hosts } = this.state
    const { worker } = hosts.s
    if (!worker?.paused || worker.held.length > 0 || worker.committed < worker.log.length) return
    if (!source || source.over || source.events.at(-1)?.type === 'quiet') return
    const { length } = worker.log
    const whole = this.small ? sectionsOf(worker.log) : undefined
    this.source({ type: 'quiet', seq: length, version: 0, count: length, whole, sessions: [] })
  }

  target(event: TargetEvent): void {
    const { target } = this.state
    if (!target || target.over) return
    const { effects } = stepTarget(target.events, event)
    const isData = event.type === 'message' && /^(sections|changes)$/.test(event.message.type)
    if (effects.length > 0 || isData) target.events.push(event)
    for (const effect of effects) this.applyTarget(effect)
  }

  applyTarget(effect: TargetEffect): void {
    const { state } = this
    const target = state.target!
    switch (effect.do) {
      case 'admit':
        this.target({ type: 'admitted', refusal: undefined, classVersion: 0 })
        break
      case 'send':
        if (state.linked.s && state.linked.t) state.toSource.push(effect.message)
        break
      case 'claim':
        this.call('t', 'target', effect.fromEpoch)
        break
      case 'open':
        this.arrive(effect)
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

  arrive({ epoch, sections }: Extract<TargetEffect, { do: 'open' }>): void {
    const { store, hosts } = this.state
    if (!sections || (hosts.t.worker && hosts.t.worker.epoch >= epoch)) return
    const log = [...sections].toSorted(([, a], [, b]) => a[0]! - b[0]!).map(([name]) => name)
    const stands = store.log.map(({ request }) => request)
    if (store.epoch === epoch && log.join() !== stands.join()) {
      this.fail(`I11 DigestEqual: [${log.join()}] came, the store has [${stands.join()}]`)
    }
    hosts.t.worker = opened(epoch, log as Request[])
  }

  endMoves(name: Name): void {
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
}
