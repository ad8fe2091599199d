import type { SimRecord } from './move-store.ts'
import { type SimState, VERSIONS_SECTION } from './move-worker.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** The invariants of moves (by number), checked as things happen. */
export class MoveChecks {
  readonly violations: string[] = []
  readonly #clock: VirtualClock
  readonly #log: readonly SimRecord[]
  readonly #sections: ReadonlyMap<string, string>
  readonly #storeEpoch: () => number
  /** Epoch → the node that acknowledged under it. */
  readonly #ackedBy = new Map<number, string>()
  /** Node and epoch that sent a fence: it must never run a turn again. */
  readonly #fenced = new Set<string>()
  readonly #acked = new Map<number, number>()
  #lastEpoch = 0
  #checkedRecords = 0
  #lastVersion = 0
  /** Requests in the order that they were applied in. */
  readonly #order: number[] = []
  readonly #applied = new Set<number>()

  constructor(
    clock: VirtualClock,
    store: {
      log: readonly SimRecord[]
      sections: ReadonlyMap<string, string>
      epoch: () => number
    },
  ) {
    this.#clock = clock
    this.#log = store.log
    this.#sections = store.sections
    this.#storeEpoch = store.epoch
  }

  /** The store changed: I2, I3, I5 over what is new. */
  stored(): void {
    const epoch = this.#storeEpoch()
    if (epoch < this.#lastEpoch) this.#fail(`I2 EpochMonotonic: ${epoch} after ${this.#lastEpoch}`)
    this.#lastEpoch = epoch
    for (; this.#checkedRecords < this.#log.length; this.#checkedRecords++) {
      const record = this.#log[this.#checkedRecords]!
      const before = this.#log[this.#checkedRecords - 1]
      if (before && (record.epoch < before.epoch || record.seq !== before.seq + 1)) {
        this.#fail(
          `I3 FencedAppend: ${record.epoch}/${record.seq} after ${before.epoch}/${before.seq}`,
        )
      }
      if (record.version < this.#lastVersion) {
        this.#fail(`I17 NoOlderWriter: version ${record.version} after ${this.#lastVersion}`)
      }
      this.#lastVersion = record.version
      if (record.request === 0) continue
      this.#order.push(record.request)
      if (this.#applied.has(record.request)) {
        this.#fail(`I5 NoDuplicateEffect: request ${record.request} applied twice`)
      }
      this.#applied.add(record.request)
    }
    const versions = this.#sections.get(VERSIONS_SECTION)!.split(' ').map(Number)
    const inOrder = versions.every((version, i) => i === 0 || version > versions[i - 1]!)
    if (!inOrder || versions.at(-1) !== this.#lastVersion) {
      this.#fail(`I18 MigratedOnce: ${versions.join(' ')} is called version ${this.#lastVersion}`)
    }
  }

  /** A turn begins. */
  turn(node: string, epoch: number): void {
    if (this.#fenced.has(`${node}/${epoch}`)) {
      this.#fail(`I3 FencedAppend: ${node} runs a turn under epoch ${epoch}, which it has fenced`)
    }
  }

  fenced(node: string, epoch: number): void {
    this.#fenced.add(`${node}/${epoch}`)
  }

  acknowledged(request: number, value: number, epoch: number, node: string): void {
    const by = this.#ackedBy.get(epoch)
    if (by !== undefined && by !== node) {
      this.#fail(`I1 SingleOwner: ${by} and ${node} both acknowledged under epoch ${epoch}`)
    }
    this.#ackedBy.set(epoch, node)
    if (!this.#applied.has(request)) this.#fail(`I4 AckedSurvives: ${request} was not committed`)
    if (this.#order[value - 1] !== request) {
      this.#fail(`I4 AckedSurvives: request ${request} was answered ${value}, the store disagrees`)
    }
    this.#acked.set(request, value)
  }

  /** A worker opens with this state, under an epoch that still is the current one. */
  opened(node: string, classVersion: number, state: SimState): void {
    const { epoch, seq, version, sections } = state
    if (version > classVersion) {
      this.#fail(`I17 NoOlderWriter: ${node} has ${classVersion} and opens a state of ${version}`)
    }
    if (epoch !== this.#storeEpoch()) return
    if (seq !== this.#log.length) {
      this.#fail(`I4 AckedSurvives: ${node} opens at turn ${seq} of ${this.#log.length}`)
    }
    const same =
      sections.size === this.#sections.size &&
      Array.from(sections).every(([name, value]) => this.#sections.get(name) === value)
    if (!same) this.#fail(`I11 DigestEqual: ${node} opens with another state than was committed`)
  }

  moveEnded(move: number, tookMs: number, limitMs: number): void {
    if (tookMs > limitMs) this.#fail(`I12 MigrationTerminates: move ${move} took ${tookMs} ms`)
  }

  /** Everything has come to rest. */
  atRest(unanswered: readonly number[], moving: readonly string[]): void {
    for (const request of unanswered) this.#fail(`I6 NoLostRequest: ${request} has no answer`)
    for (const node of moving) this.#fail(`I12 MigrationTerminates: a move from ${node} has no end`)
    for (const [request, value] of this.#acked) {
      if (this.#order[value - 1] !== request) {
        this.#fail(`I4 AckedSurvives: request ${request} is not at ${value} in the end`)
      }
    }
  }

  #fail(what: string): void {
    // One cause shows at many events; the first few tell enough.
    if (this.violations.length < 20) {
      this.violations.push(`${what} (at ${this.#clock.nowMs().toFixed(1)} ms)`)
    }
  }
}
