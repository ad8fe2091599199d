import type { ConfigFile } from '../config/schema.ts'
import type { LoadVector } from '../gossip/types.ts'
import type { WorkerFigures } from '../host/ipc.ts'
import { formatWorkerId, parseWorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { machineCost, scaleOf } from '../placement/cost.ts'
import { proposeMoves } from '../placement/rebalance.ts'
import type { Candidate, Decision, Movable, MoveProposal } from '../placement/types.ts'
import { proposeUsher } from '../placement/usher.ts'
import type { TimerHandle, World } from '../world.ts'
import type { Hosts } from './hosts.ts'
import type { Mover } from './mover.ts'
import type { Placer } from './placer.ts'

/** Moves that one round may begin, over all peers. */
const MOVES_MAX = 64
/** Idle workers weighed in a round: as many as can be of use, other ones each time. */
const IDLE_MAX = 4 * MOVES_MAX
/** A worker that came this recently stays: it would be moved on old news. */
const RESIDENCY_MS_MIN = 3_000
/** Part of the memory from which on workers are ushered out, and to which. */
const USHER = { above: 0.9, below: 0.8 }

export interface BalancerComponents {
  readonly placer: Placer
  readonly mover: Mover
  readonly hosts: Hosts
  readonly log: Logger
  readonly world: World
}

export interface BalancerInit {
  readonly node: string
  /** Of one core of this node: a worker uses less of a faster one. */
  readonly speed: number
  readonly limits: () => ConfigFile['placement']
  /** The load that this node reckons with; undefined before it was measured. */
  readonly load: () => LoadVector | undefined
  /** True while this node should move nothing on its own account. */
  readonly paused: () => boolean
}

/**
 * Once a round: does another node do some of this node's work cheaper? Every node asks so for
 * itself; the rules against herds stand in `src/placement/rebalance.ts`.
 */
export class Balancer {
  readonly #c: BalancerComponents
  readonly #init: BalancerInit
  #timer: TimerHandle | undefined

  constructor(components: BalancerComponents, init: BalancerInit) {
    this.#c = components
    this.#init = init
  }

  start(): void {
    const { rebalanceIntervalMs } = this.#init.limits()
    // Rounds of different nodes must not fall together: each is a little early or late.
    const delayMs = rebalanceIntervalMs * (0.8 + 0.4 * this.#c.world.random.next())
    this.#timer = this.#c.world.clock.after(delayMs, () => {
      if (!this.#init.paused()) this.#round()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #round(): void {
    const { placer, mover, hosts, world } = this.#c
    const candidates = placer.candidates()
    const told = candidates.find((candidate) => candidate.id === this.#init.node)
    const load = this.#init.load()
    const self = told && load && { ...told, load, loadAgeMs: 0 }
    const busy = new Set(mover.targets())
    const peers = candidates.filter(
      ({ id }) => id !== self?.id && !busy.has(id) && placer.exclusion(id) === undefined,
    )
    if (!self || peers.length === 0) return
    const movables = (workers: Iterable<WorkerFigures>): Movable[] =>
      Array.from(workers)
        .filter((worker) => !mover.isMoving(worker))
        .map((worker) => movable(worker, this.#init.speed))
    const isFull = self.load.memoryBytes > USHER.above * self.load.memoryBytesMax
    const ushered = isFull
      ? proposeUsher(self.load, peers, movables(hosts.workers()), {
          ...USHER,
          movesMax: MOVES_MAX,
        })
      : []
    if (ushered.length > 0) {
      this.#begin(ushered, 'usher', [self, ...peers])
      return
    }
    const workers = movables(hosts.sample(IDLE_MAX))
    if (workers.length === 0) return
    const proposals = proposeMoves(self, peers, workers, {
      random: world.random,
      sample: this.#init.limits().candidates,
      nMachines: candidates.length,
      hysteresis: this.#init.limits().hysteresis,
      movesMax: MOVES_MAX,
      residencyMsMin: RESIDENCY_MS_MIN,
    })
    this.#begin(proposals, 'rebalance', [self, ...peers])
  }

  /** The moves to one target go one after another; different targets do not wait for each other. */
  #begin(
    proposals: readonly MoveProposal[],
    why: Decision['why'],
    candidates: readonly Candidate[],
  ): void {
    const targets = Map.groupBy(proposals, (proposal) => proposal.to)
    for (const [, group] of targets) void this.#run(group, why, candidates)
  }

  async #run(
    group: readonly MoveProposal[],
    why: Decision['why'],
    candidates: readonly Candidate[],
  ): Promise<void> {
    for (const proposal of group) {
      if (this.#init.paused()) return
      try {
        const id = parseWorkerId(proposal.worker)
        await this.#c.mover.move(id, proposal.to, this.#decision(proposal, why, candidates))
        this.#c.placer.sentTo(proposal.to)
      } catch {
        // The mover has logged it; a target that refuses one refuses the rest of this round.
        return
      }
    }
  }

  #decision(
    proposal: MoveProposal,
    why: Decision['why'],
    candidates: readonly Candidate[],
  ): Decision {
    const scale = scaleOf(candidates.map((candidate) => candidate.load))
    return {
      atMs: this.#c.world.clock.wallMs(),
      subject: proposal.worker,
      why,
      by: this.#init.node,
      candidates: candidates.map(({ id, load, loadAgeMs }) => ({
        id,
        cost: machineCost(load, candidates.length, scale),
        marginal:
          id === proposal.to ? proposal.added : id === this.#init.node ? proposal.givenUp : 0,
        loadAgeMs,
      })),
      chosen: proposal.to,
    }
  }
}

function movable(worker: WorkerFigures, speed: number): Movable {
  return {
    id: formatWorkerId(worker),
    demand: {
      cpu: worker.cpuShare * speed,
      loop: worker.cpuShare,
      memoryBytes: worker.stateBytes,
      requests: worker.queued,
      connections: worker.sessions,
      ioBytesPerSecond: worker.ioBytesPerSecond,
      workers: 1,
    },
    stateBytes: worker.stateBytes,
    ageMs: worker.ageMs,
    ...(worker.cannotMove !== undefined && { cannotMove: worker.cannotMove }),
  }
}
