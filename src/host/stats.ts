import type { Clock } from '../world.ts'
import type { HostStats } from './ipc.ts'
import type { HostServer } from './server.ts'
import type { Sessions } from './sessions.ts'
import type { WorkerTable } from './worker-table.ts'

interface StatsComponents {
  readonly table: WorkerTable
  readonly sessions: Sessions
  readonly server: HostServer
  readonly clock: Clock
}

/** Takes the figures of the host, each time since the last. */
export class StatsSampler {
  readonly #c: StatsComponents
  readonly #cannotMove: (name: string) => string | undefined
  #lastMs: number
  #lastCpu = process.cpuUsage()
  #lastBytes = 0

  constructor(components: StatsComponents, cannotMove: (name: string) => string | undefined) {
    this.#c = components
    this.#cannotMove = cannotMove
    this.#lastMs = components.clock.nowMs()
  }

  sample(): HostStats {
    const { sessions, server, clock } = this.#c
    const nowMs = clock.nowMs()
    const elapsedMs = Math.max(1, nowMs - this.#lastMs)
    const cpu = process.cpuUsage(this.#lastCpu)
    const bytes = server.bytes + sessions.bytes
    const ioBytesPerSecond = ((bytes - this.#lastBytes) * 1_000) / elapsedMs
    this.#lastMs = nowMs
    this.#lastCpu = process.cpuUsage()
    this.#lastBytes = bytes
    return {
      workers: this.#workers(elapsedMs, nowMs),
      cpu: (cpu.user + cpu.system) / 1_000 / elapsedMs,
      memoryBytes: process.memoryUsage.rss(),
      requests: this.#load(),
      connections: sessions.connections,
      ioBytesPerSecond,
    }
  }

  #load(): number {
    let load = 0
    for (const worker of this.#c.table.values()) load += worker.load
    return load
  }

  #workers(elapsedMs: number, nowMs: number): HostStats['workers'] {
    return Array.from(this.#c.table.values(), (worker) => {
      const { meter, state, name } = worker
      meter.sample(elapsedMs)
      const cannotMove = this.#cannotMove(name)
      return {
        class: worker.id.class,
        key: worker.id.key,
        epoch: worker.epoch,
        seq: worker.seq,
        stateBytes: state.bytes,
        sections: state.sections.size,
        requestsPerSecond: meter.requestsPerSecond,
        cpuShare: meter.cpuShare,
        ageMs: Math.round(nowMs - meter.openedMs),
        sessions: worker.sessions.size,
        queued: worker.mailbox.size,
        ...(cannotMove ? { cannotMove } : {}),
      }
    })
  }
}
