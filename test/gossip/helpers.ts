import { mapSchema } from '../../src/config/schema/map.ts'
import type { ClusterMap } from '../../src/config/schema.ts'
import { type Claim, NO_META } from '../../src/gossip/claim.ts'
import { GossipCore } from '../../src/gossip/core.ts'
import { PAYLOAD_BYTES_MAX } from '../../src/gossip/envelope.ts'
import type { GossipEffects, GossipEvent, Send } from '../../src/gossip/events.ts'
import type { MapVersion } from '../../src/gossip/header.ts'
import { hashMap } from '../../src/gossip/map-hash.ts'
import { decodePacket, type Packet } from '../../src/gossip/packet.ts'
import { type GossipTimes, PRESETS } from '../../src/gossip/presets.ts'
import type { LoadVector } from '../../src/gossip/types.ts'
import { seededRandom } from '../../src/world.ts'

export const BOOT = 1_700_000_000_000

export const LOAD: LoadVector = {
  cpu: 1.25,
  cpuCapacity: 4,
  loop: 0.25,
  memoryBytes: 123_456_789,
  memoryBytesMax: 8_589_934_592,
  requests: 12,
  requestsMax: 1_000,
  connections: 34,
  connectionsMax: 20_000,
  ioBytesPerSecond: 5_678,
  workers: 9,
  classes: [{ name: 'Room_1-a', workers: 300, cpu: 0.000_25, stateBytes: 70_000 }],
  lagMs: 1.5,
}

/** A map of nodes n1, n2, … at loopback, with these gossip ports (or made-up ones). */
export function mapOf(
  count: number,
  ports: readonly number[] = [],
  epoch = 1,
  join?: { max: number; forgetMs: number },
): ClusterMap {
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: `n${i + 1}`,
    host: '127.0.0.1',
    gossip: ports[i] ?? 20_001 + i,
    data: 30_001 + i,
    admin: 40_001 + i,
  }))
  return mapSchema.parse({ cluster: 'test', epoch, nodes, join })
}

export function claim(id: string, change: Partial<Claim> = {}): Claim {
  return { id, state: 'alive', boot: BOOT, version: 1, meta: NO_META, accusers: [], ...change }
}

export interface Said {
  readonly to: string
  readonly toBoot: number
  readonly stream: boolean
  readonly packet: Packet
}

/** One core, n1 of a map unless said otherwise, that the test speaks to as the others would. */
export class Bench {
  readonly map: ClusterMap
  readonly core: GossipCore
  readonly times: GossipTimes
  nowMs = 0
  changes: string[] = []
  boots: number[] = []
  /** What the last event sent, as it is. */
  sent: readonly Send[] = []

  constructor(
    members: number,
    times: Partial<GossipTimes> = {},
    selfId = 'n1',
    join?: { max: number; forgetMs: number },
  ) {
    this.map = mapOf(members, [], 1, join)
    this.times = { ...PRESETS.quick, ...times }
    this.core = new GossipCore(
      { random: seededRandom(1) },
      {
        selfId,
        map: this.map,
        mapHash: hashMap(this.map),
        times: this.times,
        boot: BOOT,
        payloadBytesMax: PAYLOAD_BYTES_MAX,
        nowMs: 0,
      },
    )
  }

  handle(event: GossipEvent): Said[] {
    return this.#read(this.core.handle(event, this.nowMs))
  }

  /** A packet from `from`; its own claim is alive at version 1 unless given. */
  hear(
    from: string,
    packet: Partial<Packet> = {},
    boot = BOOT,
    current = true,
    heard: { map?: Partial<MapVersion>; answerBytesMax?: number } = {},
  ): Said[] {
    const whole: Packet = { claims: [claim(from, { boot })], loads: [], ...packet }
    const map = { mapEpoch: this.map.epoch, mapHash: hashMap(this.map), ...heard.map }
    const { answerBytesMax = PAYLOAD_BYTES_MAX } = heard
    const about = { from, boot, current, stream: false, map, answerBytesMax }
    return this.handle({ type: 'packet', ...about, packet: whole })
  }

  /** Lets time pass, tick by tick; returns all that was said. */
  pass(durationMs: number): Said[] {
    const said: Said[] = []
    const untilMs = this.nowMs + durationMs
    for (;;) {
      const nextMs = this.core.nextDeadlineMs()
      if (nextMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, nextMs)
      said.push(...this.handle({ type: 'tick' }))
    }
    this.nowMs = untilMs
    return said
  }

  state(id: string): string {
    const { state, boot, version } = this.core.member(id, this.nowMs)!
    return `${state} ${boot - BOOT}.${version}`
  }

  #read(effects: GossipEffects): Said[] {
    this.sent = effects.sends
    if (effects.boot !== undefined) this.boots.push(effects.boot)
    for (const { member, before } of effects.changes) {
      this.changes.push(`${member.id} ${before} ${member.state}`)
    }
    return effects.sends.map(({ to, toBoot, payload, stream }) => ({
      to: to.id,
      toBoot,
      stream,
      packet: decodePacket(payload, to.id)!,
    }))
  }
}
