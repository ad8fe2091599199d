/** Counts values in steps of 0.2 %, from a thousandth to a million. */
const STEP = 0.002
const LEAST = 0.001
const BINS = Math.ceil(Math.log(1e9) / STEP)

export class Histogram {
  readonly #counts = new Uint32Array(BINS)
  count = 0

  add(value: number): void {
    const bin = Math.floor(Math.log(Math.max(LEAST, value) / LEAST) / STEP)
    this.#counts[Math.min(BINS - 1, bin)]! += 1
    this.count++
  }

  /** The value that the part `part` of all does not exceed; NaN when there is none. */
  quantile(part: number): number {
    let left = Math.ceil(part * this.count)
    for (let bin = 0; bin < BINS && this.count > 0; bin++) {
      left -= this.#counts[bin]!
      if (left <= 0) return LEAST * Math.exp((bin + 0.5) * STEP)
    }
    return Number.NaN
  }
}
