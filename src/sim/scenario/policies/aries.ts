import type { LoadVector } from '../../../gossip/types.ts'
import { choose } from '../../../placement/choose.ts'
import { MOVES_MAX, RESIDENCY_MS_MIN, USHER, USHERED_MAX } from '../../../placement/limits.ts'
import { proposeMoves } from '../../../placement/rebalance.ts'
import type { Candidate, Demand, Movable, MoveProposal } from '../../../placement/types.ts'
import { proposeUsher } from '../../../placement/usher.ts'
import { type Random, randomInt } from '../../../world.ts'
import type { JobMove, JobView, MachineView, Policy, PolicyInit } from '../policy.ts'

/** As `placement:` of the configuration has it by default, and as a node uses it. */
const CANDIDATES = 3
const HYSTERESIS = 0.05
const REQUESTS_PER_CORE = 32
/** What waits for a core counts as load, up to this. */
const CPU_STRETCH_MAX = 8
const BYTES = 1_000_000

interface Sent {
  toldAtS: number
  count: number
}

/**
 * The production core, as a node uses it: a job is a worker that is always busy. It is placed by
 * `choose` from the machine where it was asked for, and moved by `proposeUsher` and `proposeMoves`.
 */
export class Aries implements Policy {
  readonly #random: Random
  readonly #machines: number
  /** By deciding machine and target: what was sent there since its last news. */
  readonly #sent: Map<number, Sent>[]

  constructor(init: PolicyInit) {
    this.#random = init.random
    this.#machines = init.machines
    this.#sent = Array.from({ length: init.machines }, () => new Map<number, Sent>())
  }

  place(memoryMb: number, machines: readonly MachineView[], nowS: number): number {
    const local = machines[randomInt(this.#random, machines.length)]!
    const { chosen } = choose(
      machines.map((machine) => this.#candidate(local.index, machine, nowS)),
      demandOf(1, memoryMb),
      {
        random: this.#random,
        sample: CANDIDATES,
        nMachines: this.#machines,
        local: String(local.index),
      },
    )
    // It has to be somewhere, also where nobody has memory for it.
    const to = chosen === undefined ? mostFree(machines) : Number(chosen)
    if (to !== local.index) this.#count(local.index, to)
    return to
  }

  round(
    self: MachineView,
    jobs: readonly JobView[],
    others: readonly MachineView[],
    nowS: number,
  ): JobMove[] {
    const own = this.#candidate(self.index, self, nowS)
    const peers = others.map((other) => this.#candidate(self.index, other, nowS))
    const workers = jobs.map((job) => movable(job, self.speed))
    const ushered = proposeUsher(own, peers, workers, {
      ...USHER,
      movesMax: USHERED_MAX,
    })
    const proposals =
      ushered.length > 0
        ? ushered
        : proposeMoves(own, peers, workers, {
            random: this.#random,
            sample: CANDIDATES,
            nMachines: this.#machines,
            hysteresis: HYSTERESIS,
            movesMax: MOVES_MAX,
            residencyMsMin: RESIDENCY_MS_MIN,
          })
    return proposals.map((proposal) => this.#move(self.index, proposal))
  }

  #move(from: number, { worker, to }: MoveProposal): JobMove {
    this.#count(from, Number(to))
    return { job: Number(worker), to: Number(to) }
  }

  #candidate(by: number, machine: MachineView, nowS: number): Candidate {
    const sent = this.#sent[by]!.get(machine.index)
    const isNew = sent === undefined || sent.toldAtS !== machine.toldAtS
    if (isNew) this.#sent[by]!.set(machine.index, { toldAtS: machine.toldAtS, count: 0 })
    return {
      id: String(machine.index),
      load: loadOf(machine),
      loadAgeMs: (nowS - machine.toldAtS) * 1_000,
      sentSince: isNew ? 0 : sent.count,
      repel: 1,
    }
  }

  #count(by: number, to: number): void {
    this.#sent[by]!.get(to)!.count++
  }
}

function mostFree(machines: readonly MachineView[]): number {
  const free = ({ memoryMb, usedMb }: MachineView): number => memoryMb - usedMb
  return machines.reduce((a, b) => (free(b) > free(a) ? b : a)).index
}

function demandOf(cpu: number, memoryMb: number): Demand {
  return { cpu, memoryBytes: memoryMb * BYTES, requests: 1, connections: 0, workers: 1 }
}

/** `cpu`: a whole core, which it takes when it gets it; as the load counts what waits for one. */
function movable(job: JobView, cpu: number): Movable {
  const demand = demandOf(cpu, job.memoryMb)
  return { id: String(job.index), demand, stateBytes: demand.memoryBytes, ageMs: job.ageS * 1_000 }
}

/** A job counts as a worker with one request in flight: one turn that does not end, in its own host. */
function loadOf(machine: MachineView): LoadVector {
  const cpuCapacity = machine.cores * machine.speed
  const wanted = machine.jobs * machine.speed + machine.takenAway * cpuCapacity
  return {
    cpu: Math.min(CPU_STRETCH_MAX * cpuCapacity, wanted),
    cpuCapacity,
    loop: 0,
    memoryBytes: machine.usedMb * BYTES,
    memoryBytesMax: machine.memoryMb * BYTES,
    requests: machine.jobs,
    requestsMax: machine.cores * REQUESTS_PER_CORE,
    connections: 0,
    connectionsMax: 1,
    ioBytesPerSecond: 0,
    workers: machine.jobs,
    classes: [],
    lagMs: 0,
  }
}
