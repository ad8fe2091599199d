import type { ClusterMap, NodeEntry } from '../config/schema.ts'
import { keyId } from '../keys.ts'
import type { Random } from '../world.ts'
import type { Claim } from './claim.ts'
import { GossipCore } from './core.ts'
import { Envelope, PAYLOAD_BYTES_MAX } from './envelope.ts'
import type { GossipEffects, GossipEvent } from './events.ts'
import { hashMap } from './map-hash.ts'
import type { Place } from './member-table.ts'
import { decodePacket } from './packet.ts'
import type { GossipTimes } from './presets.ts'
import type { MemberChange } from './types.ts'

export interface EndpointInit {
  readonly selfId: string
  readonly map: ClusterMap
  /** The first seals, all open; none: datagrams are neither authenticated nor encrypted. */
  readonly keys: readonly string[]
  readonly times: GossipTimes
  readonly boot: number
  readonly nowMs: number
  /** See `CoreInit`. */
  readonly known?: readonly Claim[]
  readonly joining?: Place | undefined
}

export interface Datagram {
  readonly to: Place
  readonly bytes: Buffer
  /** Over TCP; see `Send`. */
  readonly stream: boolean
}

/** What an event led to. */
export interface Outcome {
  readonly datagrams: readonly Datagram[]
  readonly changes: readonly MemberChange[]
  /** See `GossipEffects`. */
  readonly placed: boolean
}

/** The core with its envelope: datagrams in, datagrams out. Runs under UDP and in the simulator. */
export class Endpoint {
  readonly core: GossipCore
  /** Datagrams that were opened, by the id of their key. */
  readonly openedByKey = new Map<string, number>()
  readonly #envelope: Envelope
  readonly #selfId: string

  constructor(components: { random: Random }, init: EndpointInit) {
    const { selfId, map, keys, boot } = init
    const mapHash = hashMap(map)
    this.#selfId = selfId
    this.#envelope = new Envelope({
      selfId,
      cluster: map.cluster,
      keys,
      boot,
      map: { mapEpoch: map.epoch, mapHash },
    })
    this.core = new GossipCore(components, {
      ...init,
      mapHash,
      payloadBytesMax: PAYLOAD_BYTES_MAX,
    })
  }

  /** A datagram from the address of `from`, by TCP or not; undefined when it is not used. */
  receive(datagram: Buffer, from: string, nowMs: number, stream = false): Outcome | undefined {
    const opened = this.#envelope.open(datagram, from)
    if (opened) this.#count(opened.keyId)
    const packet = opened && decodePacket(opened.payload, this.#selfId)
    if (!packet) return undefined
    const { boot, current, answerBytesMax } = opened
    const event = { from, boot, current, stream, map: opened, answerBytesMax, packet }
    return this.handle({ type: 'packet', ...event }, nowMs)
  }

  /** Seals with the first key from now on, and opens with all. */
  setKeys(keys: readonly string[]): void {
    this.#envelope.setKeys(keys)
    const ids = new Set(keys.map(keyId))
    for (const id of this.openedByKey.keys()) if (!ids.has(id)) this.openedByKey.delete(id)
  }

  handle(event: GossipEvent, nowMs: number): Outcome {
    const effects = this.core.handle(event, nowMs)
    if (effects.boot !== undefined) this.#envelope.setBoot(effects.boot)
    for (const { member } of effects.changes) {
      const isGone = member.state === 'left' && this.core.claimOf(member.id) === undefined
      if (isGone) this.#envelope.forget(member.id)
    }
    const { changes, placed = false } = effects
    return { datagrams: this.#seal(effects), changes, placed }
  }

  setMap(map: ClusterMap, nowMs: number, leaving: readonly NodeEntry[] = []): Outcome {
    const mapHash = hashMap(map)
    this.#envelope.setMap({ mapEpoch: map.epoch, mapHash })
    return this.handle({ type: 'map', map, mapHash, leaving }, nowMs)
  }

  #count(keyId: string): void {
    if (keyId !== '') this.openedByKey.set(keyId, (this.openedByKey.get(keyId) ?? 0) + 1)
  }

  #seal(effects: GossipEffects): Datagram[] {
    const datagrams: Datagram[] = []
    for (const { to, toBoot, payload, stream } of effects.sends) {
      datagrams.push({ to, stream, bytes: this.#envelope.seal(to.id, toBoot, payload) })
    }
    return datagrams
  }
}
