import type { WorkerTraffic } from '../rpc.ts'
import type { Clock } from '../world.ts'
import { Traffic, type TrafficPeer } from './traffic.ts'

/** Figures are means over about this time: long enough that a burst each second reads as steady. */
const MEAN_MS = 3_000
/** What was allocated longer ago counts less: the most of it is free again. */
const ALLOCATED_MS = 300_000
/** Of so many turns the heap is looked at before and after one: a look takes a microsecond. */
const LOOKED_AT = 32

/** Turns of all workers of a host, and how long their synchronous parts had its event loop. */
export class HostWork {
  turns = 0
  busyMs = 0
  /** Bytes in use on the heap; undefined: nobody looks. */
  heapBytes: (() => number) | undefined
  #looks = 0
  #lastTurns = 0
  #lastBusyMs = 0

  /** The heap before a turn that is looked at; undefined: it is not. */
  look(): number | undefined {
    if (this.heapBytes === undefined || ++this.#looks < LOOKED_AT) return undefined
    this.#looks = 0
    return this.heapBytes()
  }

  /**
   * What the CPU that the process used since the last time is worth to its workers. Time on the
   * event loop is CPU unless the system had other things to run; the rest of the process (parsing,
   * commits, collecting garbage) is there for the turns, and each has the same part of it.
   */
  rates(cpuMs: number): CpuRates {
    const turns = this.turns - this.#lastTurns
    const busyMs = this.busyMs - this.#lastBusyMs
    this.#lastTurns = this.turns
    this.#lastBusyMs = this.busyMs
    const perBusyMs = busyMs > 0 ? Math.min(1, cpuMs / busyMs) : 1
    const restMs = Math.max(0, cpuMs - busyMs)
    return { perBusyMs, perTurnMs: turns > 0 ? restMs / turns : 0 }
  }
}

/** Milliseconds of CPU for one on the event loop, and for one turn on top. */
export interface CpuRates {
  readonly perBusyMs: number
  readonly perTurnMs: number
}

/** What one worker uses: turns, CPU, bytes in and out. */
export class WorkerMeter {
  turns = 0
  /** Of requests, answers and messages since it was opened. */
  ioBytes = 0
  requestsPerSecond = 0
  ioBytesPerSecond = 0
  /** Part of one core. */
  cpuShare = 0
  /** Allocated by its turns in the last minutes: an estimate, from some of the turns. */
  allocatedBytes = 0
  #heapBefore: number | undefined
  readonly openedMs: number
  readonly #clock: Clock
  readonly #work: HostWork
  #traffic: Traffic | undefined
  #busyMs = 0
  #last = { turns: 0, ioBytes: 0, busyMs: 0 }
  #lastMs: number
  #sampled = false

  constructor(components: { clock: Clock; work: HostWork }) {
    this.#clock = components.clock
    this.#work = components.work
    this.openedMs = this.#clock.nowMs()
    this.#lastMs = this.openedMs
  }

  /** A turn begins. */
  begins(): void {
    this.#heapBefore = this.#work.look()
  }

  /** The synchronous part of a turn that began at `startedMs` is over. */
  ran(startedMs: number): void {
    const ms = this.#clock.nowMs() - startedMs
    this.#busyMs += ms
    this.#work.busyMs += ms
    if (this.#heapBefore === undefined) return
    // Less than before: the heap was collected meanwhile.
    const grown = this.#work.heapBytes!() - this.#heapBefore
    this.allocatedBytes += LOOKED_AT * Math.max(0, grown)
    this.#heapBefore = undefined
  }

  /** Something was exchanged with that peer. */
  exchanged(peer: TrafficPeer, bytes: number): void {
    this.#traffic ??= new Traffic()
    this.#traffic.note(peer, bytes)
  }

  /** With whom it exchanges most. */
  get traffic(): readonly WorkerTraffic[] {
    return this.#traffic?.told() ?? []
  }

  /** A turn has ended. */
  turned(): void {
    this.turns++
    this.#work.turns++
  }

  /** Takes the figures since the last time. */
  sample(rates: CpuRates): void {
    const nowMs = this.#clock.nowMs()
    this.allocatedBytes *= Math.exp((this.#lastMs - nowMs) / ALLOCATED_MS)
    // What was idle for long is taken as busy for as long as the mean looks back.
    const elapsedMs = Math.min(MEAN_MS, Math.max(1, nowMs - this.#lastMs))
    this.#lastMs = nowMs
    // The first sample counts in full: there is nothing before it to mix it with.
    const weight = this.#sampled ? 1 - Math.exp(-elapsedMs / MEAN_MS) : 1
    this.#sampled = true
    const turns = this.turns - this.#last.turns
    const cpuMs = (this.#busyMs - this.#last.busyMs) * rates.perBusyMs + turns * rates.perTurnMs
    const ioBytes = this.ioBytes - this.#last.ioBytes
    this.#last = { turns: this.turns, ioBytes: this.ioBytes, busyMs: this.#busyMs }
    this.requestsPerSecond += ((turns * 1_000) / elapsedMs - this.requestsPerSecond) * weight
    this.ioBytesPerSecond += ((ioBytes * 1_000) / elapsedMs - this.ioBytesPerSecond) * weight
    this.cpuShare += (cpuMs / elapsedMs - this.cpuShare) * weight
    this.#traffic?.sample(elapsedMs)
  }

  /** It has done nothing for longer than the means look back. */
  settle(rates: CpuRates): void {
    this.sample(rates)
    this.requestsPerSecond = 0
    this.ioBytesPerSecond = 0
    this.cpuShare = 0
    this.#traffic = undefined
  }
}
