/**
 * What makes a read safe. A write is fenced by the store; a read of a worker touches the store not
 * at all, so it could be answered by a node that was evicted while it was paused. Others evict a
 * node only after its control loop has left a ping unanswered for `LAST_WORD_MS`. So the control
 * loop vouches for its incarnation again and again, and a host answers reads by itself only while
 * that is fresh; else it has them pass the store like a write.
 */

/** Between two vouchings of the control loop. */
export const VOUCH_INTERVAL_MS = 100
/** How long one holds; well below `LAST_WORD_MS`. */
const VOUCHED_MS = 300

/** Milliseconds on the monotonic clock of the machine, the same in all its processes. */
export function machineMs(): number {
  return performance.now() + SINCE_BOOT_MS
}

const SINCE_BOOT_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** The host's side. */
export class Vouch {
  /** A host that nobody has vouched for yet has no worker yet. */
  #untilMs = Number.POSITIVE_INFINITY

  get fresh(): boolean {
    return machineMs() < this.#untilMs
  }

  /** The incarnation was seen to hold at `atMs` of `machineMs`. */
  renew(atMs: number): void {
    this.#untilMs = atMs + VOUCHED_MS
  }
}
