/** A running 53-bit hash (cyrb53's mixing) of what happened: the same seed must give the same. */
export class Trace {
  #a = 0xdeadbeef
  #b = 0x41c6ce57
  events = 0
  /** The last lines up to `keep`, oldest first. */
  kept: readonly string[] = []
  readonly #linesMax: number
  readonly #lines: string[] = []

  /** `linesMax`: how many of the last lines can be kept. */
  constructor(linesMax = 0) {
    this.#linesMax = linesMax
  }

  /** Keeps the lines before this moment, for the report. */
  keep(): void {
    this.kept = this.#lines.slice(-this.#linesMax)
  }

  /** `isShown`: a line of the report, should one be wanted. */
  add(text: string, isShown = true): void {
    this.events++
    if (this.#linesMax > 0 && isShown) {
      this.#lines.push(text)
      if (this.#lines.length > 2 * this.#linesMax) this.#lines.splice(0, this.#linesMax)
    }
    for (let i = 0; i < text.length; i++) {
      this.#mix(text.charCodeAt(i))
    }
  }

  /** An event that is told in numbers; it is in no report. */
  note(a: number, b: number, c: number): void {
    this.events++
    this.#mix(a | 0)
    this.#mix(Math.imul(b, 31) ^ c)
    // Of a time, what `| 0` leaves out.
    this.#mix((a % 1) * 2 ** 31)
  }

  #mix(code: number): void {
    this.#a = Math.imul(this.#a ^ code, 2654435761)
    this.#b = Math.imul(this.#b ^ code, 1597334677)
  }

  hash(): string {
    const a = Math.imul(this.#a ^ (this.#a >>> 16), 2246822507) ^ (this.#b >>> 13)
    const b = Math.imul(this.#b ^ (this.#b >>> 16), 3266489909) ^ (this.#a >>> 13)
    return (4294967296 * (2097151 & b) + (a >>> 0)).toString(16).padStart(14, '0')
  }
}
