/**
 * The state of a worker: a map whose entries are committed, replicated and moved one by one.
 *
 * The truth is the encoded bytes of the last turn that did not throw. Values are decoded when they
 * are first read and kept; what a turn set is encoded at its end. A turn that throws forgets every
 * value it touched, so that even a change inside an object is undone.
 */
import { AriesError } from '../errors.ts'
import { isSectionName, NAME_BYTES_MAX, RECORD_BYTES_MAX } from '../store/check.ts'
import type { Section } from '../store/store.ts'
import { decodeValue, encodeSection } from './section.ts'
import type { StateGuard } from './state-guard.ts'

/** What authors see as `this.state`. An object got from it is the worker's own: `set` it again after changing it. */
export interface State<S extends object> {
  readonly size: number
  get<K extends keyof S & string>(name: K): S[K] | undefined
  /** Changes count at the end of the turn. Throws outside a turn. */
  set<K extends keyof S & string>(name: K, value: S[K]): this
  delete(name: keyof S & string): boolean
  has(name: keyof S & string): boolean
  keys(): IterableIterator<keyof S & string>
  entries(): IterableIterator<[keyof S & string, S[keyof S & string]]>
}

/** What one turn changed, as it is committed. */
export interface Changes {
  readonly set: readonly Section[]
  readonly remove: readonly string[]
}

/** Names that begin so are Aries' own, e.g. replies: authors neither see nor set them. */
export const RESERVED = '\u0001'

export const NO_CHANGE: Changes = { set: [], remove: [] }

export class SectionState implements State<Record<string, unknown>> {
  #sections: Map<string, Uint8Array>
  readonly #values = new Map<string, unknown>()
  /** Names this turn read objects of, to forget them if it throws. */
  readonly #read = new Set<string>()
  /** Names this turn set (true) or deleted (false). */
  readonly #changed = new Map<string, boolean>()
  /** Sections of Aries' own that this turn keeps, encoded, or forgets (undefined). */
  readonly #own = new Map<string, Uint8Array | undefined>()
  /** How many sections are Aries' own. */
  #ownSize = 0
  #size: number
  #bytes = 0
  #now: 'idle' | 'turn' | 'reads' = 'idle'

  readonly #guard: StateGuard | undefined

  /** `guard`: for development. */
  constructor(sections: Iterable<readonly [string, Uint8Array]> = [], guard?: StateGuard) {
    this.#guard = guard
    this.#sections = new Map(sections)
    for (const [name, value] of this.#sections) {
      this.#bytes += name.length + value.length
      if (isReserved(name)) this.#ownSize++
    }
    this.#size = this.#sections.size - this.#ownSize
  }

  get size(): number {
    return this.#size
  }

  /** Encoded size, names included. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether the running turn set or deleted anything. */
  get touched(): boolean {
    return this.#changed.size > 0 || this.#own.size > 0
  }

  /** Takes the encoded entries out: the worker has left, whoever still reads finds nothing. */
  takeOut(): ReadonlyMap<string, Uint8Array> {
    const taken = this.#sections
    this.#sections = new Map()
    this.#values.clear()
    return taken
  }

  /** Encoded entries as of the last turn that did not throw. */
  get sections(): ReadonlyMap<string, Uint8Array> {
    return this.#sections
  }

  get(name: string): unknown {
    const known = this.#values.get(name)
    if (known !== undefined) {
      if (typeof known === 'object') this.#read.add(name)
      return known
    }
    if (this.#changed.has(name) || isReserved(name)) return undefined
    const bytes = this.#sections.get(name)
    if (bytes === undefined) return undefined
    const value = decodeValue(bytes)
    this.#values.set(name, value)
    this.#read.add(name)
    this.#guard?.got(name, value, bytes.length)
    return value
  }

  set(name: string, value: unknown): this {
    this.#mayChange(name)
    if (!this.has(name)) this.#size++
    this.#guard?.forget(name)
    this.#values.set(name, value)
    this.#changed.set(name, true)
    return this
  }

  delete(name: string): boolean {
    this.#mayChange(name)
    if (!this.has(name)) return false
    this.#size--
    this.#guard?.forget(name)
    this.#values.delete(name)
    this.#changed.set(name, false)
    return true
  }

  has(name: string): boolean {
    return this.#changed.get(name) ?? (this.#sections.has(name) && !isReserved(name))
  }

  *keys(): IterableIterator<string> {
    for (const name of this.#sections.keys()) {
      if (this.#changed.get(name) !== false && !isReserved(name)) yield name
    }
    for (const [name, set] of this.#changed) if (set && !this.#sections.has(name)) yield name
  }

  *entries(): IterableIterator<[string, unknown]> {
    for (const name of this.keys()) yield [name, this.get(name)]
  }

  /** A section of Aries' own, as the running turn left it. */
  own(name: string): Uint8Array | undefined {
    return this.#own.has(name) ? this.#own.get(name) : this.#sections.get(name)
  }

  /** Sets a section of Aries' own, encoded, within a turn. */
  keep(name: string, value: Uint8Array): void {
    this.#mustBeInTurn(name)
    this.#own.set(name, value)
  }

  /** Removes a section of Aries' own, within a turn. */
  forget(name: string): void {
    this.#mustBeInTurn(name)
    this.#own.set(name, undefined)
  }

  beginTurn(): void {
    this.#now = 'turn'
  }

  /** Begins a turn that may run together with others of its kind: nothing can be changed. */
  beginRead(): void {
    this.#now = 'reads'
  }

  /**
   * Ends the turn and takes its changes over. Throws, and has rolled back, when one cannot be encoded,
   * or the state has grown over `bytesMax`.
   */
  endTurn(bytesMax = Number.POSITIVE_INFINITY): Changes {
    this.#now = 'idle'
    try {
      this.#guard?.check()
      const changes = this.touched ? this.#encodeChanges() : NO_CHANGE
      this.#checkGrowth(changes, bytesMax)
      this.#apply(changes)
      // What was set is the author's object: what is got of it from now on is guarded.
      if (this.#guard) for (const name of this.#changed.keys()) this.#values.delete(name)
      this.#read.clear()
      this.#changed.clear()
      this.#own.clear()
      return changes
    } catch (error) {
      this.rollBack()
      throw error
    }
  }

  /** Ends the turn and undoes it. */
  rollBack(): void {
    this.#now = 'idle'
    for (const name of this.#changed.keys()) this.#values.delete(name)
    this.#forgetRead()
    this.#changed.clear()
    this.#own.clear()
    this.#size = this.#sections.size - this.#ownSize
  }

  /** Ends one of the reads that run; `last`: no other runs. One that `threw` may have spoilt values. */
  endRead(threw: boolean, last: boolean): void {
    if (last) this.#now = 'idle'
    try {
      if (!threw) this.#guard?.check()
    } catch (error) {
      this.#forgetRead()
      throw error
    }
    if (threw) this.#forgetRead()
    else if (last) this.#read.clear()
  }

  #forgetRead(): void {
    for (const name of this.#read) this.#values.delete(name)
    this.#read.clear()
    if (!this.#guard) return
    this.#guard.clear()
    this.#values.clear()
  }

  #mustBeInTurn(name: string): void {
    if (this.#now === 'turn') return
    const what = isReserved(name) ? 'the alarm' : `state "${name}"`
    const when =
      this.#now === 'reads'
        ? 'in a read: with `readsMax` above 1 GET and HEAD change nothing'
        : 'outside a turn'
    throw new AriesError('ARIES_E_WORKER_FAILED', `${what} changed ${when}`)
  }

  #mayChange(name: string): void {
    this.#mustBeInTurn(name)
    const isName = typeof name === 'string' && name !== '' && isSectionName(name)
    if (!isName || isReserved(name)) {
      throw new AriesError(
        'ARIES_E_WORKER_FAILED',
        `a name in the state is 1 to ${NAME_BYTES_MAX} bytes of Unicode text without NUL, and does not begin with U+0001`,
      )
    }
  }

  #encodeChanges(): Changes {
    const set: Section[] = []
    const remove: string[] = []
    let bytes = 0
    for (const [name, isSet] of this.#changed) {
      const before = this.#sections.get(name)
      if (!isSet) {
        if (before !== undefined) remove.push(name)
        continue
      }
      const value = encodeSection(name, this.#values.get(name))
      bytes += value.length
      if (before === undefined || Buffer.compare(before, value) !== 0) set.push({ name, value })
    }
    for (const [name, value] of this.#own) {
      if (value !== undefined) set.push({ name, value })
      else if (this.#sections.has(name)) remove.push(name)
    }
    if (bytes > RECORD_BYTES_MAX) {
      throw new AriesError(
        'ARIES_E_WORKER_FAILED',
        `one turn set ${bytes} bytes; it may set ${RECORD_BYTES_MAX}`,
      )
    }
    return { set, remove }
  }

  /** A turn that leaves less than there was is always welcome. */
  #checkGrowth({ set, remove }: Changes, bytesMax: number): void {
    let growth = 0
    for (const { name, value } of set) growth += name.length + value.length
    // Nearly always far below, whatever it replaces.
    if (this.#bytes + growth <= bytesMax) return
    for (const { name } of set) growth -= this.#bytesOf(name)
    for (const name of remove) growth -= this.#bytesOf(name)
    const bytes = this.#bytes + growth
    if (growth <= 0 || bytes <= bytesMax) return
    throw new AriesError(
      'ARIES_E_STATE_TOO_LARGE',
      `the state would have ${bytes} bytes; it may have ${bytesMax} (stateBytesMax)`,
    )
  }

  #bytesOf(name: string): number {
    const value = this.#sections.get(name)
    return value ? name.length + value.length : 0
  }

  #apply(changes: Changes): void {
    for (const name of changes.remove) {
      this.#bytes -= name.length + this.#sections.get(name)!.length
      this.#sections.delete(name)
      if (isReserved(name)) this.#ownSize--
    }
    for (const { name, value } of changes.set) {
      const before = this.#sections.get(name)
      if (!before && isReserved(name)) this.#ownSize++
      this.#bytes += before ? value.length - before.length : name.length + value.length
      this.#sections.set(name, value)
    }
  }
}

function isReserved(name: string): boolean {
  return name.startsWith(RESERVED)
}
