/**
 * What one shard has learned of the targets that it sends requests to, and from it what one more
 * request would cost at each: the latency to expect there. By slots, without an allocation.
 *
 * A target that tells its load on its answers (`aries-load`) is known by it: requests there that are
 * not the shard's own, and how many it serves at a time. Of the others only the own requests and
 * their latencies are known.
 */

/** A latency counts as much as this many before it: fast enough for a neighbour that comes. */
const LATENCIES_KEPT = 10
/** What is usual at a target is a mean over about this time. */
const USUAL_MS = 30_000
/**
 * A latency above the usual that is not renewed returns to it, by two thirds in so long: who disturbs
 * a target goes again, and one that is thought to be slow gets few requests to show that it is not.
 */
const RETURN_MS = 2_000
/** The same for the mean of all targets, which stands for one that is not known yet. */
const MEAN_KEPT = 200
/** A latency that so long was not renewed weighs half against the next one. */
const FORGOTTEN_MS = 1_000
/**
 * A target without a request for so long gets the next one, to find out how it is now. Seldom: the
 * slow ones are found to be slow, and every shard does it.
 */
const PROBE_MS = 10_000
/** Cost of one that is to be found out. */
const UNKNOWN_COST = 1e-9
/** Latencies below this differ by chance of the front's own event loop. */
const LATENCY_MIN_MS = 1
/** What a target told of others' requests fades when it is not asked: half, in such latencies. */
const OTHERS_FADE_LATENCIES = 40
/** Requests of which only the age is known count so many times as much as answered ones. */
const UNANSWERED_WEIGHT = 2
/** Requests in flight for this many times the latency expected: the target is stuck, and as slow. */
const STUCK_TIMES = 4
/** Weight of the newest answer in a target's rate of failures. */
const FAILURE_WEIGHT = 0.15
/**
 * A target that always fails costs so many times as much, one that fails sometimes with the square
 * of its rate: one failure in twenty is hardly felt, the third in a row makes it 30 times as costly.
 */
const REPEL_MAX = 200
/**
 * In so long for each failure in a row the rate of failures of a target is halved while it is not
 * asked, and one request finds out how it is now.
 */
const REPEL_FADE_MS = 1_000
const FAILURES_IN_ROW_MAX = 16
/** Least part of its share that a newcomer gets. */
const SLOW_START_MIN = 0.1

export class TargetLoads {
  /** Own requests in flight. */
  readonly inFlight: Int32Array
  /** How many requests are served at a time, as told; 0: not told. */
  readonly threads: Int32Array
  /** Of one request that does not wait, milliseconds; 0: not known. */
  readonly #latencyMs: Float64Array
  readonly #latencies: Float64Array
  readonly #heardMs: Float64Array
  /** The same over a long time, and how many latencies it is of. */
  readonly #usualMs: Float64Array
  readonly #usualOf: Float64Array
  /** Own requests without an answer yet, and the sum of the times when they were sent. */
  readonly #awaited: Int32Array
  readonly #sentSumMs: Float64Array
  /** Requests of others, as told, and when. */
  readonly #others: Float64Array
  readonly #toldMs: Float64Array
  /** Rate of failures, when it was so, and the failures in a row. */
  readonly #failing: Float64Array
  readonly #failingMs: Float64Array
  readonly #inRow: Uint8Array
  /** Start of the slow start; -Infinity: it is over; Infinity: it begins with the first answer. */
  readonly #sinceMs: Float64Array
  #meanMs = 0

  constructor(capacity: number) {
    const floats = (): Float64Array => new Float64Array(capacity)
    this.inFlight = new Int32Array(capacity)
    this.threads = new Int32Array(capacity)
    this.#latencyMs = floats()
    this.#latencies = floats()
    this.#heardMs = floats()
    this.#usualMs = floats()
    this.#usualOf = floats()
    this.#awaited = new Int32Array(capacity)
    this.#sentSumMs = floats()
    this.#others = floats()
    this.#toldMs = floats()
    this.#failing = floats()
    this.#failingMs = floats()
    this.#inRow = new Uint8Array(capacity)
    this.#sinceMs = floats().fill(Number.NEGATIVE_INFINITY)
  }

  /** A newcomer has the slot from now on, or the same target after it was away. */
  renew(slot: number): void {
    this.threads[slot] = 0
    this.#latencyMs[slot] = 0
    this.#latencies[slot] = 0
    this.#usualOf[slot] = 0
    this.#others[slot] = 0
    this.#failing[slot] = 0
    this.#inRow[slot] = 0
    this.#sinceMs[slot] = Number.POSITIVE_INFINITY
  }

  /** Requests in flight there, as far as is known: own ones and what is left of the others told. */
  requests(slot: number, nowMs: number): number {
    const others = this.#others[slot]!
    if (others === 0) return this.inFlight[slot]!
    const idle = (nowMs - this.#toldMs[slot]!) / (OTHERS_FADE_LATENCIES * this.#base(slot))
    return this.inFlight[slot]! + others / (1 + idle)
  }

  /**
   * The latency to expect of one more request, milliseconds, and more where it had better not go.
   *
   * Requests beyond those served at a time weigh more than the time that they wait, for the estimate
   * of that time is least certain there: squared; to the power 1.5 where one at a time is only taken
   * for granted. Exponents found with `npm run bench:balance -- --sim`.
   */
  cost(slot: number, nowMs: number): number {
    if (this.#isUnknown(slot, nowMs)) return UNKNOWN_COST
    const requests = this.requests(slot, nowMs)
    const told = this.threads[slot]!
    const threads = told === 0 ? 1 : told
    const waits = (requests + 1) / threads
    let ms = this.#returned(slot, nowMs)
    const awaited = this.#awaited[slot]!
    if (awaited > 0) {
      const turns = Math.max(1, requests / threads)
      const ageMs = (nowMs - this.#sentSumMs[slot]! / awaited) / turns
      ms = withUnanswered(ms, Math.min(awaited, threads), ageMs)
      if (ageMs > STUCK_TIMES * ms) ms = ageMs
    }
    // Idle ones of the same speed: the one with more room.
    const factor = waits <= 1 ? 1 + 0.001 * waits : waits * (told === 0 ? Math.sqrt(waits) : waits)
    const failing = this.#failing[slot]!
    if (failing === 0) return ms * factor
    const rate = this.#failingNow(slot, nowMs)
    return ms * factor * (1 + REPEL_MAX * rate * rate)
  }

  /** Part of its share that the target may have: less than 1 in its slow start. */
  share(slot: number, nowMs: number, slowStartMs: number): number {
    const aliveMs = nowMs - this.#sinceMs[slot]!
    if (aliveMs >= slowStartMs) return 1
    return Math.max(SLOW_START_MIN, aliveMs / slowStartMs)
  }

  /** A request goes there; returns how many it finds there, itself included. */
  sent(slot: number, nowMs: number): number {
    const found = this.requests(slot, nowMs) + 1
    this.inFlight[slot]! += 1
    this.#awaited[slot]! += 1
    this.#sentSumMs[slot]! += nowMs
    return found
  }

  /** It was answered; `found`: what `sent` returned. */
  answered(slot: number, sentMs: number, nowMs: number, found: number): void {
    this.#settle(slot, sentMs)
    if (this.#sinceMs[slot] === Number.POSITIVE_INFINITY) this.#sinceMs[slot] = nowMs
    if (this.#failing[slot] !== 0) {
      const rate = this.#failingNow(slot, nowMs) * (1 - FAILURE_WEIGHT)
      this.#failing[slot] = rate < 0.01 ? 0 : rate
      this.#failingMs[slot] = nowMs
      this.#inRow[slot] = 0
    }
    this.#observe(slot, nowMs - sentMs, nowMs, found)
  }

  /** It failed, or was refused: that is no latency, and the target repels for a while. */
  failed(slot: number, sentMs: number, nowMs: number): void {
    this.#settle(slot, sentMs)
    const rate = this.#failingNow(slot, nowMs)
    this.#failing[slot] = rate + FAILURE_WEIGHT * (1 - rate)
    this.#failingMs[slot] = nowMs
    this.#inRow[slot] = Math.min(FAILURES_IN_ROW_MAX, this.#inRow[slot]! + 1)
  }

  /** Nobody waits for the answer any more; that it took so long is known all the same. */
  forsaken(slot: number, sentMs: number, nowMs: number, found: number): void {
    this.#settle(slot, sentMs)
    const ms = nowMs - sentMs
    if (ms > this.#base(slot)) this.#observe(slot, ms, nowMs, found)
  }

  /** The target told how many requests it has and how many it serves at a time. */
  told(slot: number, requests: number, threads: number, nowMs: number): void {
    this.threads[slot] = threads
    this.#others[slot] = Math.max(0, requests - this.inFlight[slot]!)
    this.#toldMs[slot] = nowMs
  }

  /** Nothing of that request is in flight any more. */
  done(slot: number): void {
    this.inFlight[slot]! -= 1
  }

  #settle(slot: number, sentMs: number): void {
    this.#awaited[slot]! -= 1
    this.#sentSumMs[slot]! -= sentMs
  }

  #observe(slot: number, latencyMs: number, nowMs: number, found: number): void {
    const threads = this.threads[slot]!
    const turns = Math.max(1, found / (threads === 0 ? 1 : threads))
    const ms = latencyMs / turns
    const silentMs = nowMs - this.#heardMs[slot]!
    this.#latencyMs[slot] = this.#returned(slot, nowMs)
    this.#usualOf[slot]! += 1
    const part = Math.max(1 / this.#usualOf[slot]!, Math.min(1, silentMs / USUAL_MS))
    this.#usualMs[slot]! += (ms - this.#usualMs[slot]!) * part
    const kept = 1 / (1 + silentMs / FORGOTTEN_MS)
    const weight = Math.min(LATENCIES_KEPT, this.#latencies[slot]! * kept + 1)
    this.#latencies[slot] = weight
    this.#latencyMs[slot]! += (ms - this.#latencyMs[slot]!) / weight
    this.#meanMs += this.#meanMs === 0 ? ms : (ms - this.#meanMs) / MEAN_KEPT
    this.#heardMs[slot] = nowMs
  }

  #base(slot: number): number {
    const ms = this.#latencies[slot] === 0 ? this.#meanMs : this.#latencyMs[slot]!
    return Math.max(LATENCY_MIN_MS, ms)
  }

  /** The latency as it is thought to be by now. */
  #returned(slot: number, nowMs: number): number {
    const ms = this.#base(slot)
    const usual = this.#usualMs[slot]!
    if (ms <= usual || this.#usualOf[slot] === 0) return ms
    const away = (nowMs - this.#heardMs[slot]!) / RETURN_MS
    return usual + (ms - usual) / (1 + away * (1 + away))
  }

  #isUnknown(slot: number, nowMs: number): boolean {
    if (this.inFlight[slot] !== 0) return false
    if (this.#failing[slot] !== 0) {
      return nowMs - this.#failingMs[slot]! > REPEL_FADE_MS * Math.max(1, this.#inRow[slot]!)
    }
    return this.#latencies[slot] === 0 || nowMs - this.#heardMs[slot]! > PROBE_MS
  }

  #failingNow(slot: number, nowMs: number): number {
    const fadeMs = REPEL_FADE_MS * Math.max(1, this.#inRow[slot]!)
    return this.#failing[slot]! * 0.5 ** ((nowMs - this.#failingMs[slot]!) / fadeMs)
  }
}

/**
 * The mean latency with those in mind that are not answered yet and `ageMs` old in the mean: the more
 * they are of age, the longer it is taken to be. As the maximum likelihood of a mean of which some
 * samples are cut off (if latencies were exponential): all time spent over the number of answers, of
 * which the unanswered are `age / (age + ms)` each.
 */
function withUnanswered(ms: number, unanswered: number, ageMs: number): number {
  const count = UNANSWERED_WEIGHT * unanswered
  const answers = (count * ageMs) / (ageMs + ms)
  return (LATENCIES_KEPT * ms + count * ageMs) / (LATENCIES_KEPT + answers)
}
