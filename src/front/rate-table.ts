/**
 * How fast requests of one kind come, in memory that all shards of a front share: the generic cell
 * rate algorithm (ITU-T I.371), a token bucket of one number for each key. The table has a fixed size:
 * whoever invents keys pushes out those whose buckets are fullest, which lose least.
 */
import { randomInt } from 'node:crypto'
import { hashText } from '../placement/rendezvous.ts'

const CELLS = 65_536
/** Cells that a key may be in. */
const WAYS = 8
const FINGERPRINT_BYTES = CELLS * Int32Array.BYTES_PER_ELEMENT
const TIMES_BYTES = CELLS * BigInt64Array.BYTES_PER_ELEMENT
const SEEDS_BYTES = 2 * Int32Array.BYTES_PER_ELEMENT

export interface Rate {
  readonly requests: number
  readonly windowMs: number
  readonly burst: number
}

export interface Taken {
  /** 0: it may pass; else the milliseconds until one may. */
  readonly waitMs: number
  /** Milliseconds until the bucket is full again. */
  readonly fullMs: number
  /** How many may come now. */
  readonly left: number
}

export class RateTable {
  readonly buffer: SharedArrayBuffer
  readonly #times: BigInt64Array
  readonly #fingerprints: Int32Array
  readonly #seeds: Int32Array
  readonly #nowUs: () => bigint

  /** `buffer`: of another `RateTable` of the process; absent: a new one. */
  constructor(buffer?: SharedArrayBuffer, nowUs = microseconds) {
    this.buffer = buffer ?? new SharedArrayBuffer(TIMES_BYTES + FINGERPRINT_BYTES + SEEDS_BYTES)
    this.#times = new BigInt64Array(this.buffer, 0, CELLS)
    this.#fingerprints = new Int32Array(this.buffer, TIMES_BYTES, CELLS)
    this.#seeds = new Int32Array(this.buffer, TIMES_BYTES + FINGERPRINT_BYTES, 2)
    this.#nowUs = nowUs
    // Nobody may guess which keys share cells.
    if (buffer === undefined) for (const i of [0, 1]) this.#seeds[i] = randomInt(2 ** 31)
  }

  /** One request of `key`; counts when it may pass. */
  take(key: string, { requests, windowMs, burst }: Rate): Taken {
    const nowUs = this.#nowUs()
    const stepUs = BigInt(Math.max(1, Math.round((windowMs * 1_000) / requests)))
    const slackUs = stepUs * BigInt(burst - 1)
    const cell = this.#cellOf(key, nowUs)
    for (;;) {
      const before = Atomics.load(this.#times, cell)
      // How far the bucket is from full, as time.
      let debtUs = before - nowUs
      if (debtUs < 0n) debtUs = 0n
      if (debtUs > slackUs) {
        return { waitMs: Number(debtUs - slackUs) / 1_000, fullMs: Number(debtUs) / 1_000, left: 0 }
      }
      const afterUs = debtUs + stepUs
      if (Atomics.compareExchange(this.#times, cell, before, nowUs + afterUs) === before) {
        const left = Number((slackUs + stepUs - afterUs) / stepUs)
        return { waitMs: 0, fullMs: Number(afterUs) / 1_000, left }
      }
    }
  }

  #cellOf(key: string, nowUs: bigint): number {
    const first = (hashText(key, this.#seeds[0]!) % (CELLS / WAYS)) * WAYS
    // 0 is an empty cell.
    const fingerprint = hashText(key, this.#seeds[1]!) | 1
    let oldest = first
    let oldestUs = Atomics.load(this.#times, first)
    for (let cell = first; cell < first + WAYS; cell++) {
      if (Atomics.load(this.#fingerprints, cell) === fingerprint) return cell
      const atUs = Atomics.load(this.#times, cell)
      if (atUs >= oldestUs) continue
      oldest = cell
      oldestUs = atUs
    }
    Atomics.store(this.#fingerprints, oldest, fingerprint)
    Atomics.store(this.#times, oldest, nowUs)
    return oldest
  }
}

/** One clock for all threads of the process. */
function microseconds(): bigint {
  return process.hrtime.bigint() / 1_000n
}
