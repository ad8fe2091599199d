import type { ClusterMap } from '../config/schema.ts'
import type { Random } from '../world.ts'
import { randomInt, sample } from '../world.ts'
import { type GossipCluster, memberIds, type SimMember } from './gossip-cluster.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { type LinkFaults, PERFECT_LINK } from './virtual-network.ts'

export interface FaultsInit {
  /** Until when new faults begin. */
  readonly untilMs: number
  /** Longest that one of them lasts. */
  readonly lastMsMax: number
}

const JOINED_MAX = 4

type Fault = (end: (undo: () => void) => void) => void

/** Throws random faults at a cluster, each for a random time, until it ends them all. */
export class GossipFaults {
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #cluster: GossipCluster
  readonly #init: FaultsInit
  readonly #faults: readonly Fault[]
  #map: ClusterMap
  #incarnation = 0
  #joined = 0

  constructor(
    components: { clock: VirtualClock; random: Random; cluster: GossipCluster },
    init: FaultsInit & { map: ClusterMap },
  ) {
    this.#clock = components.clock
    this.#random = components.random
    this.#cluster = components.cluster
    this.#init = init
    this.#map = init.map
    this.#faults = [
      (end) => this.#crash(end),
      (end) => this.#crash(end),
      (end) => this.#leave(end),
      (end) => this.#pause(end),
      (end) => this.#pause(end),
      (end) => this.#partition(end),
      (end) => this.#oneWay(end),
      (end) => this.#storm(end),
      () => this.#meta(),
      () => this.#refuse(),
      () => this.#changeMap(),
      () => this.#join(),
    ]
  }

  plan(): void {
    const gapMs = (this.#init.lastMsMax / 2) * this.#random.next()
    this.#clock.after(gapMs, () => {
      if (this.#clock.nowMs() > this.#init.untilMs) return
      const fault = this.#faults[randomInt(this.#random, this.#faults.length)]!
      fault((undo) => this.#clock.after(this.#random.next() * this.#init.lastMsMax, undo))
      this.plan()
    })
  }

  /** Cuts the cluster in two, so that every run ends with a heal. */
  halve(): void {
    const ids = [...this.#cluster.members.keys()]
    const half = sample(this.#random, ids, ids.length / 2)
    this.#cluster.network.partition([half, ids.filter((id) => !half.includes(id))])
  }

  #one(): SimMember | undefined {
    return sample(this.#random, this.#cluster.running(), 1)[0]
  }

  #crash(end: (undo: () => void) => void): void {
    const member = this.#one()
    if (!member) return
    this.#cluster.crash(member, { refuses: this.#random.next() < 0.5 })
    if (this.#random.next() < 0.2) return
    end(() => this.#restart(member))
  }

  /** A wall clock may have been set back meanwhile, as much as a minute. */
  #restart(member: SimMember): void {
    if (this.#random.next() < 0.25) member.wallOffsetMs -= randomInt(this.#random, 60_000)
    this.#cluster.start(member)
  }

  #leave(end: (undo: () => void) => void): void {
    const member = this.#one()
    if (!member || member.leaving) return
    const { endpoint } = member
    member.leaving = true
    this.#cluster.handle(member, { type: 'leave' })
    this.#clock.after(200, () => {
      if (member.endpoint === endpoint) this.#cluster.crash(member)
      end(() => this.#restart(member))
    })
  }

  #pause(end: (undo: () => void) => void): void {
    const member = this.#one()
    if (!member) return
    this.#cluster.pause(member)
    end(() => this.#cluster.resume(member))
  }

  #partition(end: (undo: () => void) => void): void {
    const ids = [...this.#cluster.members.keys()]
    const group = sample(this.#random, ids, 1 + randomInt(this.#random, ids.length - 1))
    const inGroup = new Set(group)
    this.#cluster.network.partition([group, ids.filter((id) => !inGroup.has(id))])
    end(() => this.#cluster.network.heal())
  }

  /** One member is heard by nobody, or hears nobody. */
  #oneWay(end: (undo: () => void) => void): void {
    const member = this.#one()
    if (!member) return
    const out = this.#random.next() < 0.5
    for (const id of this.#cluster.members.keys()) {
      if (out) this.#cluster.network.block(member.id, id)
      else this.#cluster.network.block(id, member.id)
    }
    end(() => this.#cluster.network.heal())
  }

  #storm(end: (undo: () => void) => void): void {
    const { network } = this.#cluster
    const calm = network.faults
    network.faults = randomLink(this.#random, 0.5)
    end(() => {
      network.faults = calm
    })
  }

  #meta(): void {
    const member = this.#one()
    if (!member) return
    this.#incarnation++
    const meta = { incarnation: this.#incarnation, cordoned: this.#random.next() < 0.5 }
    this.#cluster.handle(member, { type: 'meta', meta })
  }

  /** Somebody reports a member as refusing, rightly or not. */
  #refuse(): void {
    const member = this.#one()
    const accused = this.#one()
    if (member && accused) this.#cluster.handle(member, { type: 'refused', id: accused.id })
  }

  /** A node goes or comes; everybody reads the new map at another time. */
  #changeMap(): void {
    const { nodes } = this.#map
    const epoch = this.#map.epoch + 1
    const gone =
      this.#random.next() < 0.5 ? nodes[randomInt(this.#random, nodes.length)] : undefined
    if (gone && nodes.length > 3) {
      this.#map = { ...this.#map, epoch, nodes: nodes.filter((node) => node !== gone) }
    } else {
      const id = `x${epoch}`
      this.#map = { ...this.#map, epoch, nodes: [...nodes, { ...nodes[0]!, id }] }
      const member = this.#cluster.add(id, this.#map)
      this.#clock.after(this.#random.next() * this.#init.lastMsMax, () => this.#restart(member))
    }
    this.#spread(this.#map)
  }

  /** Somebody comes whom the map does not have. */
  #join(): void {
    if (this.#joined === JOINED_MAX) return
    const id = `j${++this.#joined}`
    const member = this.#cluster.add(id, this.#map, { ...this.#map.nodes[0]!, id })
    this.#restart(member)
  }

  #spread(map: ClusterMap): void {
    const ids = new Set(memberIds(map))
    for (const member of this.#cluster.members.values()) {
      this.#clock.after(this.#random.next() * this.#init.lastMsMax, () => {
        if (member.map.epoch >= map.epoch) return
        if (ids.has(member.id) || member.joining) this.#cluster.setMap(member, map)
        else this.#cluster.remove(member)
      })
    }
  }
}

/** A link that loses up to `lossMax` of its messages, and does the rest of what links do. */
export function randomLink(random: Random, lossMax: number): LinkFaults {
  return {
    loss: random.next() * lossMax,
    duplicate: random.next() * 0.05,
    delayMsMin: PERFECT_LINK.delayMsMin,
    delayMsMax: 0.5 + random.next() * 10,
    late: random.next() * 0.05,
    lateMs: 50,
  }
}
