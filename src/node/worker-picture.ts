/**
 * What the control loop knows of the workers in its host: the host tells what has changed, here
 * the rest is kept. Nothing in here is done for all of them at each report or round.
 */
import type { ClassLoad } from '../gossip/types.ts'
import type { WorkerFigures } from '../host/ipc.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { WorkerInfo } from '../rpc.ts'

interface Heard {
  readonly figures: WorkerFigures
  readonly atMs: number
}

/** As `ClassLoad`, but for all of them together. */
export type ClassTotal = Omit<ClassLoad, 'name'>

/** What is known of a worker; its memory is reckoned when it is asked for. */
export type KnownWorker = Omit<WorkerInfo, 'node' | 'generation'>

/** What the process of the workers uses. */
export interface ProcessMemory {
  /** Of all its workers together, on its heap. */
  readonly heapBytes: number
  /** Of the process, when it is there for one worker alone. */
  readonly ownBytes?: number
}

export class WorkerPicture {
  readonly #nowMs: () => number
  readonly #heard = new Map<string, Heard>()
  /** Those that use something besides memory. */
  readonly #busy = new Set<string>()
  readonly #classes = new Map<string, ClassTotal>()
  readonly #memory: () => ProcessMemory
  /** Of all workers together. */
  #stateBytes = 0
  #allocatedBytes = 0
  /** Where the next look at the idle ones begins. */
  #turn: Iterator<string> | undefined

  constructor(nowMs: () => number, memory: () => ProcessMemory) {
    this.#nowMs = nowMs
    this.#memory = memory
  }

  hear(changed: readonly WorkerFigures[]): void {
    const atMs = this.#nowMs()
    for (const figures of changed) {
      const name = formatWorkerId(figures)
      this.#count(this.#heard.get(name)?.figures, -1)
      this.#count(figures, 1)
      this.#heard.set(name, { figures, atMs })
      if (isBusy(figures)) this.#busy.add(name)
      else this.#busy.delete(name)
    }
  }

  gone(id: WorkerId): void {
    const name = formatWorkerId(id)
    this.#count(this.#heard.get(name)?.figures, -1)
    this.#heard.delete(name)
    this.#busy.delete(name)
  }

  clear(): void {
    this.#heard.clear()
    this.#busy.clear()
    this.#classes.clear()
    this.#stateBytes = 0
    this.#allocatedBytes = 0
  }

  /** What all workers of each class use together. */
  get classes(): ReadonlyMap<string, ClassTotal> {
    return this.#classes
  }

  /** Of all workers together. */
  get requestsPerSecond(): number {
    let sum = 0
    for (const name of this.#busy) sum += this.#heard.get(name)!.figures.requestsPerSecond
    return sum
  }

  get(name: string): KnownWorker | undefined {
    const heard = this.#heard.get(name)
    if (!heard) return undefined
    const { allocatedBytes, ...figures } = heard.figures
    const ageMs = figures.ageMs + Math.round(this.#nowMs() - heard.atMs)
    return { ...figures, ageMs, memoryBytes: this.#memoryOf(figures.stateBytes, allocatedBytes) }
  }

  /**
   * Its state, and of what else lives on the heap the part that it allocated. The sum is right; who
   * holds on to what it allocated is told too little, and who lets go of it at once too much.
   */
  #memoryOf(stateBytes: number, allocatedBytes: number): number {
    const { heapBytes, ownBytes } = this.#memory()
    if (ownBytes !== undefined) return Math.max(stateBytes, ownBytes)
    const others = Math.max(0, heapBytes - this.#stateBytes)
    const all = this.#allocatedBytes
    const part = all > 0 ? allocatedBytes / all : 1 / Math.max(1, this.#heard.size)
    return Math.round(stateBytes + others * part)
  }

  *all(): IterableIterator<KnownWorker> {
    for (const name of this.#heard.keys()) yield this.get(name)!
  }

  /** All that are busy, and `idleMax` of the others: other ones each time. */
  sample(idleMax: number): KnownWorker[] {
    const found = Array.from(this.#busy, (name) => this.get(name)!)
    let left = Math.min(idleMax, this.#heard.size - this.#busy.size)
    // One look more than there are workers: the end counts as one.
    for (let looked = 0; left > 0 && looked <= this.#heard.size; looked++) {
      const name = this.#next()
      if (name === undefined || this.#busy.has(name)) continue
      found.push(this.get(name)!)
      left--
    }
    return found
  }

  #count(figures: WorkerFigures | undefined, sign: 1 | -1): void {
    if (!figures) return
    this.#stateBytes += sign * figures.stateBytes
    this.#allocatedBytes += sign * figures.allocatedBytes
    const total = this.#classes.get(figures.class) ?? { workers: 0, cpu: 0, stateBytes: 0 }
    const workers = total.workers + sign
    if (workers === 0) {
      this.#classes.delete(figures.class)
      return
    }
    this.#classes.set(figures.class, {
      workers,
      cpu: total.cpu + sign * figures.cpuShare,
      stateBytes: total.stateBytes + sign * figures.stateBytes,
    })
  }

  #next(): string | undefined {
    this.#turn ??= this.#heard.keys()
    const { value, done } = this.#turn.next()
    if (done) this.#turn = undefined
    return value as string | undefined
  }
}

/** Of several pictures together. */
export function totalsOf(
  pictures: Iterable<ReadonlyMap<string, ClassTotal>>,
): Map<string, ClassTotal> {
  const all = new Map<string, ClassTotal>()
  for (const picture of pictures) {
    for (const [name, { workers, cpu, stateBytes }] of picture) {
      const sum = all.get(name) ?? { workers: 0, cpu: 0, stateBytes: 0 }
      all.set(name, {
        workers: sum.workers + workers,
        cpu: sum.cpu + cpu,
        stateBytes: sum.stateBytes + stateBytes,
      })
    }
  }
  return all
}

function isBusy(figures: WorkerFigures): boolean {
  const { cpuShare, requestsPerSecond, queued, sessions } = figures
  return cpuShare > 0 || requestsPerSecond > 0 || queued > 0 || sessions > 0
}
