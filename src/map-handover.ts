import type { ClusterMap, NodeEntry } from './config/schema.ts'
import type { Member, MemberChange } from './gossip/types.ts'
import type { TimerHandle, World } from './world.ts'

/** A removed member that has neither left nor died by then is dropped all the same. */
const HANDOVER_MS = 60_000

function entryOf({ id, host, gossipPort, dataPort, adminPort }: Member): NodeEntry {
  return { id, host, gossip: gossipPort, data: dataPort, admin: adminPort, speed: 1 }
}

interface MapTaker {
  setMap(map: ClusterMap, leaving: readonly NodeEntry[]): void
  member(id: string): Member | undefined
  members(): readonly Member[]
  onChange(listener: (change: MemberChange) => void): () => void
}

/**
 * Gives gossip a changed map in two steps. A node that the new map has no more drains first, and
 * for that the others must still reach it: dropped at once, it would be taken for dead, and its
 * workers claimed while it moves them. So it stays known until it has left; and so do those that joined
 * when the new map lets nobody join any more.
 */
export class MapHandover {
  readonly #gossip: MapTaker
  readonly #world: World
  readonly #stopListening: () => void
  #map: ClusterMap
  #leaving: readonly NodeEntry[] = []
  #limit: TimerHandle | undefined

  constructor(components: { gossip: MapTaker; world: World }, init: { map: ClusterMap }) {
    this.#gossip = components.gossip
    this.#world = components.world
    this.#map = init.map
    this.#stopListening = this.#gossip.onChange(({ member }) => {
      const gone = member.state === 'left' || member.state === 'unreachable'
      const waited = this.#leaving.some(({ id }) => id === member.id)
      // Not from within the change: gossip is still telling it to others.
      if (gone && waited) queueMicrotask(() => this.#apply())
    })
  }

  set(map: ClusterMap): void {
    const declared = new Set(map.nodes.map(({ id }) => id))
    const joined = map.join ? [] : this.#gossip.members().filter((member) => member.joined)
    const before = [...this.#map.nodes, ...this.#leaving, ...joined.map(entryOf)]
    this.#leaving = before.filter(({ id }) => !declared.has(id))
    this.#map = map
    this.#limit?.cancel()
    this.#limit = this.#world.clock.after(HANDOVER_MS, () => {
      this.#leaving = []
      this.#apply()
    })
    this.#apply()
  }

  stop(): void {
    this.#limit?.cancel()
    this.#stopListening()
  }

  #apply(): void {
    const present = this.#leaving.filter(({ id }) => {
      const state = this.#gossip.member(id)?.state
      return state === 'alive' || state === 'suspect'
    })
    this.#leaving = present
    this.#gossip.setMap(this.#map, present)
  }
}
