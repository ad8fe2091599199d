/** The times and counts of gossip. Where they come from: memberlist's and MOSIX's, see each preset. */
export interface GossipTimes {
  /** Between two probe rounds, and from a probe's ping to its verdict. */
  readonly probeIntervalMs: number
  /** How long the target itself may take to answer, before others are asked to try. */
  readonly probeTimeoutMs: number
  /** Members probed in one round. */
  readonly probesPerRound: number
  /** Members asked to probe in our stead. */
  readonly helpers: number
  /** Shortest suspicion is `suspicionMult × max(1, log10 n) × probeIntervalMs`. */
  readonly suspicionMult: number
  /** Longest suspicion is this many times the shortest. */
  readonly suspicionMaxMult: number
  /** Accusations beyond the first after which a suspicion is as short as it gets. */
  readonly confirmations: number
  /** A claim is sent `retransmitMult × ceil(log10(n + 1))` times. */
  readonly retransmitMult: number
  /** Suspicions that end within this of each other become verdicts together. */
  readonly cutMs: number
  /** Between two tellings of news, while there is any. */
  readonly newsIntervalMs: number
  /** In this time `gossipFanout` windows of loads go to random members, one after another. */
  readonly gossipIntervalMs: number
  /** And so many random members hear news at a time. */
  readonly gossipFanout: number
  /** So many members hear the own load directly, every so often; one of them is another each time. */
  readonly pushFanout: number
  readonly pushIntervalMs: number
  /** How long an unreachable member still gets windows, so that it can refute. */
  readonly goneGossipMs: number
  /** Between two exchanges of the whole table with a random member; grows with log2 n. */
  readonly syncIntervalMs: number
  /** Between two tries to reach a member that is unreachable. */
  readonly reprobeIntervalMs: number
  /** How long `leave` tells it. */
  readonly leaveMs: number
  /** Own health, isolation and pauses count, and the accused is told (off: plain SWIM, to compare). */
  readonly lifeguard: boolean
}

export type PresetName = 'lan' | 'wan' | 'local' | 'quick'

/** Largest datagram, header and tag included: passes every common path unfragmented. */
export const DATAGRAM_BYTES_MAX = 1_400

// Up to some sixteen members on one machine or one switch, whose cores are busy with other things:
// a dead one is known in half a second, and a loop that is late for a fifth of one is none.
const LOCAL: GossipTimes = {
  probeIntervalMs: 100,
  probeTimeoutMs: 50,
  probesPerRound: 2,
  helpers: 3,
  suspicionMult: 2,
  suspicionMaxMult: 4,
  confirmations: 1,
  retransmitMult: 6,
  cutMs: 20,
  newsIntervalMs: 20,
  gossipIntervalMs: 300,
  gossipFanout: 3,
  pushFanout: 3,
  pushIntervalMs: 300,
  goneGossipMs: 15_000,
  syncIntervalMs: 10_000,
  reprobeIntervalMs: 500,
  leaveMs: 300,
  lifeguard: true,
}

export const PRESETS: Readonly<Record<PresetName, GossipTimes>> = {
  // memberlist's LAN values with the shorter probe of a switched network.
  lan: {
    probeIntervalMs: 1_000,
    probeTimeoutMs: 300,
    probesPerRound: 1,
    helpers: 3,
    suspicionMult: 4,
    suspicionMaxMult: 6,
    confirmations: 2,
    retransmitMult: 4,
    cutMs: 500,
    newsIntervalMs: 50,
    // With full windows just within 20 KB/s, and a thousand members' loads at most 5 s old.
    gossipIntervalMs: 220,
    gossipFanout: 3,
    pushFanout: 4,
    pushIntervalMs: 1_000,
    goneGossipMs: 30_000,
    syncIntervalMs: 30_000,
    reprobeIntervalMs: 2_000,
    leaveMs: 600,
    lifeguard: true,
  },
  // memberlist's WAN values.
  wan: {
    probeIntervalMs: 5_000,
    probeTimeoutMs: 3_000,
    probesPerRound: 1,
    helpers: 3,
    suspicionMult: 6,
    suspicionMaxMult: 6,
    confirmations: 4,
    retransmitMult: 4,
    cutMs: 1_000,
    newsIntervalMs: 200,
    gossipIntervalMs: 500,
    gossipFanout: 4,
    pushFanout: 4,
    pushIntervalMs: 2_000,
    goneGossipMs: 60_000,
    syncIntervalMs: 60_000,
    reprobeIntervalMs: 5_000,
    leaveMs: 2_000,
    lifeguard: true,
  },
  local: LOCAL,
  // Up to some sixteen members on one switch: a dead one is known to all in a quarter of a second
  // (two rounds until it is probed, one for the verdict, the suspicion, and to tell it).
  quick: {
    ...LOCAL,
    probeIntervalMs: 50,
    probeTimeoutMs: 25,
    probesPerRound: 4,
    cutMs: 10,
    newsIntervalMs: 10,
  },
}

/** How often one claim is sent on; `n` members (memberlist's formula). */
export function retransmitLimit(retransmitMult: number, n: number): number {
  return retransmitMult * Math.ceil(Math.log10(n + 1))
}

/** How much longer the time between two table exchanges is with `n` members (memberlist's). */
export function syncScale(n: number): number {
  return n <= 32 ? 1 : Math.ceil(Math.log2(n) - 5) + 1
}
