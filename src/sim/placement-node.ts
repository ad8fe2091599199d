import type { LoadVector } from '../gossip/types.ts'
import { MEMORY_FULL } from '../placement/limits.ts'
import { ToldLoad } from '../placement/told-load.ts'

const OWN_CPU = 0.05
const OWN_BYTES = 50_000_000
/** What waits for the CPU counts as load, in a mean over this time, up to so many times the cores. */
const WAITED_MS = 4_000
const CPU_MAX = 8
export const MEMORY_BYTES_MAX = 2_000_000_000

export interface SimWorker {
  readonly id: string
  readonly cpu: number
  readonly stateBytes: number
  /** Where it has been, and since when, in order. */
  readonly stays: { readonly node: string; readonly sinceMs: number }[]
}

interface Told {
  readonly load: LoadVector
  readonly toldAtMs: number
}

/** A node as it is, and what it believes of the others. */
export class SimNode {
  readonly id: string
  readonly cores: number
  readonly workers = new Set<SimWorker>()
  readonly heard = new Map<string, Told>()
  /** Times at which this node sent a worker to a peer. */
  readonly sent = new Map<string, number[]>()
  /** Peers to which a batch of moves is under way, and the workers of it. */
  readonly busy = new Set<string>()
  readonly leaving = new Set<SimWorker>()
  /** Cores that something else on the machine would use, if it got them, and memory that it uses. */
  otherCpu = 0
  otherBytes = 0
  /** The load that it reckons with itself. */
  own: LoadVector
  readonly #load = new ToldLoad()
  #waited = 0
  #reservedBytes = 0

  constructor(id: string, cores: number) {
    this.id = id
    this.cores = cores
    this.own = this.tell(0)
  }

  /** Cores that its workers would use, if they got them. */
  get workersCpu(): number {
    let cpu = 0
    for (const worker of this.workers) cpu += worker.cpu
    return cpu
  }

  get memoryBytes(): number {
    let bytes = OWN_BYTES + this.otherBytes
    for (const worker of this.workers) bytes += worker.stateBytes
    return bytes
  }

  /** Measures its load; what it tells the others. */
  tell(elapsedMs: number): LoadVector {
    const wanted = OWN_CPU + this.otherCpu + this.workersCpu
    const waits = Math.max(0, Math.min(CPU_MAX * this.cores, wanted) - this.cores)
    this.#waited += (waits - this.#waited) * (1 - Math.exp(-elapsedMs / WAITED_MS))
    const cpu = Math.min(this.cores, wanted) + this.#waited
    const loop = Math.min(1, this.workersCpu)
    const measured = { cpu, loop, requests: 0, ioBytesPerSecond: 0 }
    const { told, own } = this.#load.sample(measured, elapsedMs)
    this.#reservedBytes = 0
    const rest = {
      cpuCapacity: this.cores,
      memoryBytes: this.memoryBytes,
      memoryBytesMax: MEMORY_BYTES_MAX,
      requestsMax: 1_000,
      connections: 0,
      connectionsMax: 10_000,
      workers: this.workers.size,
      classes: [],
      lagMs: 0,
    }
    this.own = { ...own, ...rest }
    return { ...told, ...rest }
  }

  /** Whether there is memory for a worker; what was let in since the last measurement counts. */
  reserve({ stateBytes }: SimWorker): boolean {
    const bytes = this.#reservedBytes + stateBytes
    if (this.own.memoryBytes + bytes > MEMORY_FULL * MEMORY_BYTES_MAX) return false
    this.#reservedBytes = bytes
    return true
  }

  arrived(worker: SimWorker): void {
    this.workers.add(worker)
    this.#load.arrived(worker.cpu)
  }
}
