import type { ConfigFile } from '../config/schema.ts'
import type { LoadVector } from '../gossip/types.ts'
import { formatWorkerId, parseWorkerId } from '../identity.ts'
import { withDemand } from '../placement/cost.ts'
import { IDLE_MAX, MOVES_MAX, RESIDENCY_MS_MIN, USHER, USHERED_MAX } from '../placement/limits.ts'
import { proposeMoves } from '../placement/rebalance.ts'
import type { Decision, Movable, MoveProposal } from '../placement/types.ts'
import { proposeUsher } from '../placement/usher.ts'
import type { TimerHandle, World } from '../world.ts'
import type { Affinities } from './affinities.ts'
import type { Hosts } from './hosts.ts'
import type { Mover } from './mover.ts'
import type { Placer } from './placer.ts'
import type { KnownWorker } from './worker-picture.ts'

export interface BalancerComponents {
  readonly placer: Placer
  readonly mover: Mover
  readonly hosts: Hosts
  readonly affinities: Affinities
  readonly world: World
}

export interface BalancerInit {
  readonly node: string
  /** Of one core of this node: a worker uses less of a faster one. */
  readonly speed: () => number
  readonly limits: () => ConfigFile['placement']
  /** The load that this node reckons with; undefined before it was measured. */
  readonly load: () => LoadVector | undefined
  /** How many times longer work takes here for the wait for a core. */
  readonly stretch: () => number
  /** Whether workers of the class are not moved for the sake of balance. */
  readonly stays: (className: string) => boolean
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
  /** Nodes that the moves of a round go to one by one. */
  readonly #sending = new Set<string>()
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
    const { placer, mover, hosts, affinities, world } = this.#c
    const candidates = placer.candidates()
    const told = candidates.find((candidate) => candidate.id === this.#init.node)
    const load = this.#load()
    const self = told && load && { ...told, load, loadAgeMs: 0 }
    const busy = new Set([...mover.targets(), ...this.#sending])
    const peers = candidates.filter(
      ({ id }) => id !== self?.id && !busy.has(id) && placer.exclusion(id) === undefined,
    )
    if (!self || peers.length === 0) return
    const isFull = self.load.memoryBytes > USHER.above * self.load.memoryBytesMax
    const ushered = isFull
      ? proposeUsher(self, peers, this.#movables(hosts.workers()), {
          ...USHER,
          movesMax: USHERED_MAX,
        })
      : []
    if (ushered.length > 0) {
      this.#begin(ushered, 'usher')
      return
    }
    const sampled = hosts.sample(IDLE_MAX)
    affinities.refresh(sampled)
    const workers = this.#movables(sampled)
    if (workers.length === 0) return
    const proposals = proposeMoves(self, peers, workers, {
      random: world.random,
      sample: this.#init.limits().candidates,
      nMachines: candidates.length,
      hysteresis: this.#init.limits().hysteresis,
      movesMax: MOVES_MAX,
      residencyMsMin: RESIDENCY_MS_MIN,
    })
    this.#begin(proposals, 'rebalance')
  }

  /** As this node reckons with it, as if those on their way out had gone. */
  #load(): LoadVector | undefined {
    let load = this.#init.load()
    if (!load) return undefined
    const how = { speed: this.#init.speed(), stretch: this.#init.stretch() }
    for (const name of this.#c.mover.names()) {
      const worker = this.#c.hosts.worker(name)
      if (worker) load = withDemand(load, movable(worker, how).demand, -1)
    }
    return load
  }

  #movables(workers: Iterable<KnownWorker>): Movable[] {
    const { mover, affinities } = this.#c
    const { stays } = this.#init
    const speed = this.#init.speed()
    const stretch = this.#init.stretch()
    return Array.from(workers)
      .filter((worker) => !mover.isMoving(worker))
      .map((worker) => ({
        ...movable(worker, { speed, stretch }),
        stays: stays(worker.class),
        affinity: affinities.of(worker, worker.traffic),
      }))
  }

  /** The moves to one target go one after another; different targets do not wait for each other. */
  #begin(proposals: readonly MoveProposal[], why: Decision['why']): void {
    const targets = Map.groupBy(proposals, (proposal) => proposal.to)
    for (const [to, group] of targets) {
      this.#sending.add(to)
      void this.#run(group, why).finally(() => this.#sending.delete(to))
    }
  }

  async #run(group: readonly MoveProposal[], why: Decision['why']): Promise<void> {
    for (const proposal of group) {
      if (this.#init.paused()) return
      try {
        const id = parseWorkerId(proposal.worker)
        await this.#c.mover.move(id, proposal.to, this.#decision(proposal, why))
        this.#c.placer.sentTo(proposal.to, id)
      } catch {
        // The mover has logged it; a target that refuses one refuses the rest of this round.
        return
      }
    }
  }

  #decision({ worker, to, costs }: MoveProposal, why: Decision['why']): Decision {
    return {
      atMs: this.#c.world.clock.wallMs(),
      subject: worker,
      why,
      by: this.#init.node,
      candidates: costs,
      chosen: to,
    }
  }
}

function movable(
  worker: KnownWorker,
  { speed, stretch }: { speed: number; stretch: number },
): Movable {
  // Where nothing waits it uses more: what it got here tells little of a core that many wanted.
  const cores = Math.min(1, worker.cpuShare * stretch)
  return {
    id: formatWorkerId(worker),
    demand: {
      cpu: cores * speed,
      loop: worker.cpuShare,
      memoryBytes: worker.memoryBytes,
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
