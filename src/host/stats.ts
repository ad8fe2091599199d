import { performance } from 'node:perf_hooks'
import { parseWorkerId } from '../identity.ts'
import type { Clock } from '../world.ts'
import type { HeapUse } from './heap-use.ts'
import type { HostStats, WorkerFigures } from './ipc.ts'
import type { CpuRates } from './meter.ts'
import type { OpenWorker } from './open-worker.ts'
import type { HostServer } from './server.ts'
import type { Sessions } from './sessions.ts'
import type { Sleeper } from './sleepers.ts'
import type { WorkerTable } from './worker-table.ts'

/** So many workers are told of in one report: it shall not hold up the loops of host and node. */
const REPORTED_MAX = 1_000
/** The rates of a worker that did nothing for so long are nought; until then they are means. */
const SETTLED_MS = 3_000

interface StatsComponents {
  /** Undefined where nobody looks at the heap. */
  readonly heap: HeapUse | undefined
  readonly table: WorkerTable
  readonly sessions: Sessions
  readonly server: HostServer
  readonly clock: Clock
}

export interface StatsInit {
  readonly cannotMove: (worker: OpenWorker) => string | undefined
  readonly standbyOf: (worker: OpenWorker) => string | undefined
}

/** Takes the figures of the host, each time since the last. */
export class StatsSampler {
  readonly #c: StatsComponents
  readonly #init: StatsInit
  #lastMs: number
  #lastCpu = process.cpuUsage()
  #lastLoop = performance.eventLoopUtilization()
  #lastBytes = 0

  constructor(components: StatsComponents, init: StatsInit) {
    this.#c = components
    this.#init = init
    this.#lastMs = components.clock.nowMs()
  }

  sample(): HostStats {
    const { sessions, server, clock } = this.#c
    const nowMs = clock.nowMs()
    const elapsedMs = Math.max(1, nowMs - this.#lastMs)
    const cpu = process.cpuUsage(this.#lastCpu)
    const loop = performance.eventLoopUtilization(this.#lastLoop).utilization
    const cpuMs = (cpu.user + cpu.system) / 1_000
    const bytes = server.bytes + sessions.bytes
    const ioBytesPerSecond = ((bytes - this.#lastBytes) * 1_000) / elapsedMs
    this.#lastMs = nowMs
    this.#lastCpu = process.cpuUsage()
    this.#lastLoop = performance.eventLoopUtilization()
    this.#lastBytes = bytes
    const { counts, starts } = this.#c.table
    const startFault = starts.fault
    return {
      changed: this.#changed(nowMs, this.#c.table.work.rates(cpuMs)),
      ...counts,
      ...(startFault !== undefined && { startFault }),
      starting: starts.undecided,
      cpu: cpuMs / elapsedMs,
      loop,
      memoryBytes: process.memoryUsage.rss(),
      heapBytes: this.#c.heap?.sample() ?? 0,
      requests: this.#load(),
      connections: sessions.connections,
      ioBytesPerSecond,
    }
  }

  #load(): number {
    const { table } = this.#c
    let load = 0
    for (const name of table.active.names()) load += table.awake(name)?.load ?? 0
    return load
  }

  #changed(nowMs: number, rates: CpuRates): WorkerFigures[] {
    const { table } = this.#c
    const { active } = table
    const changed: WorkerFigures[] = []
    for (const [name, toldMs] of active.entries()) {
      if (changed.length >= REPORTED_MAX) break
      const worker = table.awake(name)
      if (!worker) {
        const sleeper = table.asleep(name)
        if (sleeper) changed.push(figuresOf(sleeper, nowMs))
        active.settled(name)
      } else if (toldMs === 0) {
        worker.meter.sample(rates)
        changed.push(this.#figures(worker, nowMs))
        // A turn that runs or waits changes them once more.
        active.told(name, worker.load > 0 ? 0 : nowMs)
      } else if (nowMs - toldMs >= SETTLED_MS) {
        worker.meter.settle(rates)
        changed.push(this.#figures(worker, nowMs))
        active.settled(name)
      }
    }
    return changed
  }

  #figures(worker: OpenWorker, nowMs: number): WorkerFigures {
    const { meter, state } = worker
    const cannotMove = this.#init.cannotMove(worker)
    const standby = this.#init.standbyOf(worker)
    const { traffic } = meter
    return {
      class: worker.id.class,
      key: worker.id.key,
      epoch: worker.epoch,
      seq: worker.seq,
      stateBytes: state.bytes,
      sections: state.sections.size,
      requestsPerSecond: meter.requestsPerSecond,
      cpuShare: meter.cpuShare,
      ioBytesPerSecond: meter.ioBytesPerSecond,
      allocatedBytes: Math.round(meter.allocatedBytes),
      ageMs: Math.round(nowMs - meter.openedMs),
      sessions: worker.sessions.size,
      queued: worker.mailbox.size,
      asleep: false,
      ...(worker.frozen ? { frozen: true } : {}),
      ...(cannotMove ? { cannotMove } : {}),
      ...(standby ? { standby } : {}),
      ...(traffic.length > 0 ? { traffic } : {}),
    }
  }
}

function figuresOf(sleeper: Sleeper, nowMs: number): WorkerFigures {
  const { name, epoch, seq, stateBytes, sections, openedMs } = sleeper
  return {
    ...parseWorkerId(name),
    epoch,
    seq,
    stateBytes,
    sections,
    requestsPerSecond: 0,
    cpuShare: 0,
    ioBytesPerSecond: 0,
    allocatedBytes: 0,
    ageMs: Math.round(nowMs - openedMs),
    sessions: 0,
    queued: 0,
    asleep: true,
  }
}
