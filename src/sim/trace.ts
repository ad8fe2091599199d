/** A running 53-bit hash (cyrb53's mixing) of what happened: the same seed must give the same. */
export class Trace {
  #a = 0xdeadbeef
  #b = 0x41c6ce57
  events = 0

  add(text: string): void {
    this.events++
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      this.#a = Math.imul(this.#a ^ code, 2654435761)
      this.#b = Math.imul(this.#b ^ code, 1597334677)
    }
  }

  hash(): string {
    const a = Math.imul(this.#a ^ (this.#a >>> 16), 2246822507) ^ (this.#b >>> 13)
    const b = Math.imul(this.#b ^ (this.#b >>> 16), 3266489909) ^ (this.#a >>> 13)
    return (4294967296 * (2097151 & b) + (a >>> 0)).toString(16).padStart(14, '0')
  }
}
