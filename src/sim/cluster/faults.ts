/** What goes wrong in the simulated cluster: at random times, or aimed at a step of a move. */
import { type Random, randomInt } from '../../world.ts'
import type { VirtualProcess } from '../runtime/process.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import type { Cluster } from './cluster.ts'
import { STORE_MACHINE } from './store.ts'

/** Something that happened to a node counts against its owner record for so long. */
const DISTURBED_MS = 6_000
const RESTART_MS_MAX = 120

/** One kind of fault; `at`: a node or front, `other`: another node. */
type Fault = (faults: Faults, at: string, other: string) => void

const FAULTS = {
  'crash of the host': (faults, at) => faults.crashHost(at),
  'crash of the node': (faults, at) => faults.crash(at),
  'crash of a front': (faults) => faults.crash(faults.anyFront()),
  'pause of the host': (faults, at) => faults.pauseHost(at),
  'pause of the control loop': (faults, at) => faults.pauseNode(at),
  'pause of the machine': (faults, at) => faults.pauseMachine(at),
  'pause of a front': (faults) => faults.pauseMachine(faults.anyFront()),
  'one way cut': (faults, at, other) => faults.cutOneWay(at, other),
  'cut from the store': (faults, at) => faults.cutOneWay(at, STORE_MACHINE),
  'cut of the store': (faults, at) => faults.cutOneWay(STORE_MACHINE, at),
  'cut from a front': (faults, at) => faults.cutOneWay(faults.anyFront(), at),
  'machine cut off': (faults, at) => faults.cutOff(at),
  'broken connection': (faults, at, other) => faults.breakConnections(at, other),
  'crash of the store': (faults) => faults.crashStore(),
  'stuck store': (faults) => faults.stickStore(),
} satisfies Record<string, Fault>

export type FaultKind = keyof typeof FAULTS
export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[]

export interface FaultsComponents {
  readonly clock: VirtualClock
  readonly random: Random
  readonly cluster: Cluster
  readonly say: (text: string) => void
}

export class Faults {
  count = 0
  readonly #c: FaultsComponents
  readonly #disturbedMs = new Map<string, number>()
  #calm = false
  #always = false

  constructor(components: FaultsComponents) {
    this.#c = components
  }

  /** Whether something happened to the machine of late. */
  disturbed(machine: string): boolean {
    if (this.#always) return true
    const atMs = this.#disturbedMs.get(machine)
    return atMs !== undefined && this.#c.clock.nowMs() - atMs < DISTURBED_MS
  }

  /** Small things happen everywhere, all the time. */
  disturbAlways(): void {
    this.#always = true
  }

  /** Now, to `at`. */
  strike(kind: FaultKind, at: string, other: string): void {
    if (this.#calm) return
    this.count++
    this.#c.say(`FAULT ${kind}: ${at} ${other}`)
    const fault: Fault = FAULTS[kind]
    fault(this, at, other)
  }

  /** Ends what still goes on; nothing happens any more. */
  heal(): void {
    this.#calm = true
    const { cluster } = this.#c
    cluster.tcp.heal()
    cluster.store.up()
    const calm = { cut: 0, late: 0 }
    Object.assign(cluster.tcp.faults, calm)
    Object.assign(cluster.store.faults, { lostCalls: 0, lostAnswers: 0 })
    cluster.gossip.falseAlarms = 0
  }

  anyFront(): string {
    const { fronts } = this.#c.cluster
    return fronts[randomInt(this.#c.random, fronts.length)]!
  }

  crashHost(node: string): void {
    this.#disturb(node)
    for (const host of this.#c.cluster.hostsOf(node)) host.kill()
  }

  crash(id: string): void {
    this.#disturb(id)
    const { cluster, clock, random } = this.#c
    const process = cluster.process(id)
    if (process.dead) return
    process.kill()
    clock.after(5 + random.next() * RESTART_MS_MAX, () => cluster.boot(id))
  }

  pauseHost(node: string): void {
    this.#pause(node, this.#c.cluster.hostsOf(node))
  }

  pauseNode(node: string): void {
    this.#pause(node, [this.#c.cluster.process(node)])
  }

  pauseMachine(id: string): void {
    this.#pause(id, this.#c.cluster.processesOf(id))
  }

  cutOneWay(from: string, to: string): void {
    this.#cut([[from, to]])
  }

  /** Nothing reaches the machine or leaves it. */
  cutOff(id: string): void {
    const { nodes, fronts } = this.#c.cluster
    const others = [...nodes, ...fronts, STORE_MACHINE].filter((other) => other !== id)
    this.#cut(others.flatMap((other) => [[id, other] as const, [other, id] as const]))
  }

  breakConnections(at: string, other: string): void {
    const { cluster } = this.#c
    this.#disturb(at)
    this.#disturb(other)
    cluster.tcp.breakBetween(at, other)
  }

  crashStore(): void {
    for (const node of this.#c.cluster.nodes) this.#disturb(node)
    this.#c.cluster.store.crash()
    this.#later(50, 900, () => this.#c.cluster.store.up())
  }

  stickStore(): void {
    for (const node of this.#c.cluster.nodes) this.#disturb(node)
    this.#c.cluster.store.stick()
    this.#later(50, 1_800, () => this.#c.cluster.store.up())
  }

  #pause(machine: string, processes: readonly VirtualProcess[]): void {
    this.#disturb(machine)
    for (const process of processes) process.pause()
    this.#later(20, 1_500, () => {
      this.#disturb(machine)
      for (const process of processes) process.resume()
    })
  }

  #cut(directions: readonly (readonly [from: string, to: string])[]): void {
    const { tcp } = this.#c.cluster
    for (const [from, to] of directions) {
      this.#disturb(from)
      this.#disturb(to)
      tcp.cut(from, to)
    }
    this.#later(30, 1_500, () => {
      for (const [from, to] of directions) {
        this.#disturb(from)
        this.#disturb(to)
      }
      // All cuts end together: what is left of another one was short.
      tcp.heal()
    })
  }

  #disturb(machine: string): void {
    this.#disturbedMs.set(machine, this.#c.clock.nowMs())
  }

  #later(minMs: number, maxMs: number, run: () => void): void {
    const { clock, random } = this.#c
    clock.after(minMs + random.next() * (maxMs - minMs), run)
  }
}
