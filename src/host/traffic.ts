import type { WorkerTraffic } from '../rpc.ts'

/** Peers that are remembered of one worker, and those of them that are told of. */
const PEERS_MAX = 16
const TOLD_MAX = 4
/** Less than that, in messages a second, draws nobody anywhere. */
const TOLD_MIN = 1
/** Rates are means over about this time: a worker is to follow habits, not a burst. */
const MEAN_MS = 10_000

/** With whom something was exchanged: another worker, the tasks of a node, or fronts. */
export type TrafficPeer = Pick<WorkerTraffic, 'with' | 'node' | 'address'>

interface Counted {
  peer: TrafficPeer
  messages: number
  bytes: number
  messagesPerSecond: number
  bytesPerSecond: number
}

/** Whom a worker has to do with, and how much: what draws it to a place. */
export class Traffic {
  readonly #peers = new Map<string, Counted>()

  /** A message and its answer, or a message of a session. */
  note(peer: TrafficPeer, bytes: number): void {
    const name = peer.with ?? peer.node ?? peer.address ?? ''
    let counted = this.#peers.get(name)
    if (!counted) {
      if (this.#peers.size >= PEERS_MAX) this.#forgetLeast()
      counted = { peer, messages: 0, bytes: 0, messagesPerSecond: 0, bytesPerSecond: 0 }
      this.#peers.set(name, counted)
    }
    // It may have moved since.
    counted.peer = peer
    counted.messages++
    counted.bytes += bytes
  }

  /** Takes the rates since the last time. */
  sample(elapsedMs: number): void {
    const weight = 1 - Math.exp(-elapsedMs / MEAN_MS)
    for (const [name, counted] of this.#peers) {
      const perSecond = 1_000 / elapsedMs
      const { messages, bytes } = counted
      counted.messagesPerSecond += (messages * perSecond - counted.messagesPerSecond) * weight
      counted.bytesPerSecond += (bytes * perSecond - counted.bytesPerSecond) * weight
      counted.messages = 0
      counted.bytes = 0
      if (counted.messagesPerSecond < TOLD_MIN / 10) this.#peers.delete(name)
    }
  }

  /** The most, most first. */
  told(): WorkerTraffic[] {
    return Array.from(this.#peers.values())
      .filter(({ messagesPerSecond }) => messagesPerSecond >= TOLD_MIN)
      .sort((a, b) => b.messagesPerSecond - a.messagesPerSecond)
      .slice(0, TOLD_MAX)
      .map(({ peer, messagesPerSecond, bytesPerSecond }) => ({
        ...peer,
        messagesPerSecond,
        bytesPerSecond,
      }))
  }

  #forgetLeast(): void {
    let least: string | undefined
    let fewest = Number.POSITIVE_INFINITY
    for (const [name, { messages, messagesPerSecond }] of this.#peers) {
      if (messages + messagesPerSecond >= fewest) continue
      least = name
      fewest = messages + messagesPerSecond
    }
    if (least !== undefined) this.#peers.delete(least)
  }
}
