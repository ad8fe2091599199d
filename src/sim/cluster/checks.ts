/**
 * The sixteen invariants of workers that nothing can lose, checked as things happen. The store holds
 * the truth here, not a quorum: an epoch is sealed by the claim that raises it, and what is durable
 * is what the store has accepted.
 *
 * | | name | what it means here |
 * | --- | --- | --- |
 * | I1 | SingleOwner | whoever answers for a turn is the owner that the store had in the turn's epoch |
 * | I2 | EpochMonotonic | every claim raises the epoch of its worker by one |
 * | I3 | FencedAppend | no turn is accepted under a sealed epoch, from another than its owner, or out of order |
 * | I4 | AckedSurvives | what was answered stands in the history, and every later turn stands on it |
 * | I5 | NoDuplicateEffect | a request is applied once at most, however often it is sent |
 * | I6 | NoLostRequest | every request is answered; an error that says "not applied" tells the truth |
 * | I7 | SessionFIFO | the messages of a session are applied in their order, without gap or repetition |
 * | I8 | TickOnce | an alarm that is set rings once, not early, and not never |
 * | I9 | FrameContinuity | a client gets what the worker sent it in order, without gap or repetition |
 * | I10 | NoZombieOutput | a read is not older than what was known to anybody when it was asked for |
 * | I11 | DigestEqual | the state that a turn ran on is the state that the store has |
 * | I12 | MigrationTerminates | every move ends, in its time |
 * | I13 | ReservationReleased | nothing of a move is left when it is over |
 * | I14 | DirectoryConverges | at rest a worker is open at its owner and nowhere else, and fronts go there |
 * | I15 | BlastRadius | a worker is taken from a node only after something has happened to that node |
 * | I16 | RFRestored | at rest every worker has a living owner that serves it |
 */
import { formatWorkerId, type WorkerId } from '../../identity.ts'
import type { ClaimRequest, CommitRecord, OwnerRecord } from '../../store/store.ts'
import { decodeValue } from '../../worker/section.ts'
import type { Clock } from '../../world.ts'
import { type Entry, SLOTS } from './ledger.ts'

const NAMES = {
  I1: 'SingleOwner',
  I2: 'EpochMonotonic',
  I3: 'FencedAppend',
  I4: 'AckedSurvives',
  I5: 'NoDuplicateEffect',
  I6: 'NoLostRequest',
  I7: 'SessionFIFO',
  I8: 'TickOnce',
  I9: 'FrameContinuity',
  I10: 'NoZombieOutput',
  I11: 'DigestEqual',
  I12: 'MigrationTerminates',
  I13: 'ReservationReleased',
  I14: 'DirectoryConverges',
  I15: 'BlastRadius',
  I16: 'RFRestored',
} as const

export type Invariant = keyof typeof NAMES

/** One cause shows at many events; the first few tell enough. */
const VIOLATIONS_MAX = 10

interface Past {
  epoch: number
  owner: string
  seq: number
  /** Entry `n` stands at `n - 1`. */
  readonly entries: (Entry & { readonly node: string })[]
  /** The highest `n` that anybody was told. */
  told: number
  readonly sessions: Map<string, number>
  /** The alarm that is set now. */
  alarm: number | undefined
  alarms: number
}

export class Checks {
  readonly violations: string[] = []
  readonly #clock: Clock
  readonly #workers = new Map<string, Past>()
  readonly #requests = new Map<number, string>()
  /** Whether something happened to the node of late. */
  readonly #disturbed: (node: string) => boolean
  /** Hears of the first violation. */
  readonly #onViolation: () => void

  constructor(
    components: { clock: Clock },
    init: { disturbed: (node: string) => boolean; onViolation: () => void },
  ) {
    this.#clock = components.clock
    this.#disturbed = init.disturbed
    this.#onViolation = init.onViolation
  }

  fail(invariant: Invariant, what: string): void {
    if (this.violations.length >= VIOLATIONS_MAX) return
    const atMs = this.#clock.nowMs().toFixed(1)
    this.violations.push(`${invariant} ${NAMES[invariant]}: ${what} (at ${atMs} ms)`)
    if (this.violations.length === 1) this.#onViolation()
  }

  // The store.

  claimed({ id, node, mode }: ClaimRequest, before: OwnerRecord | undefined, epoch: number): void {
    const past = this.#past(formatWorkerId(id))
    if (epoch !== past.epoch + 1) this.fail('I2', `${id.key}: epoch ${epoch} after ${past.epoch}`)
    past.epoch = epoch
    past.owner = node
    if (mode === 'takeover' && before && before.node !== node && !this.#disturbed(before.node)) {
      this.fail('I15', `${node} took ${id.key} from ${before.node}, to which nothing had happened`)
    }
  }

  committed(node: string, record: CommitRecord, sections: ReadonlyMap<string, Uint8Array>): void {
    const { id, epoch, seq, set } = record
    const past = this.#past(formatWorkerId(id))
    if (epoch !== past.epoch || node !== past.owner || seq !== past.seq + 1) {
      const stands = `${past.owner} has epoch ${past.epoch}, turn ${past.seq}`
      this.fail('I3', `${id.key}: ${node} committed turn ${seq} of epoch ${epoch}; ${stands}`)
    }
    past.seq = seq
    const last = set.find(({ name }) => name === 'last')
    if (last) this.#entry(id, past, node, decodeValue(last.value) as Entry, sections)
  }

  #entry(
    { key }: WorkerId,
    past: Past,
    node: string,
    entry: Entry,
    sections: ReadonlyMap<string, Uint8Array>,
  ): void {
    const { n, request, session, k, rang, set } = entry
    if (n !== past.entries.length + 1) {
      this.fail('I4', `${key}: a turn of ${node} is number ${n} after ${past.entries.length}`)
    }
    past.entries.push({ ...entry, node })
    this.#checkSum(key, sections)
    if (request !== undefined) {
      const where = this.#requests.get(request)
      if (where !== undefined) this.fail('I5', `request ${request} is applied twice, to ${where}`)
      this.#requests.set(request, key)
    }
    if (session !== undefined && k !== undefined) {
      const before = past.sessions.get(session) ?? 0
      if (k !== before + 1) this.fail('I7', `${key}: message ${k} of ${session} after ${before}`)
      past.sessions.set(session, k)
    }
    if (rang !== undefined) {
      if (rang !== past.alarm) this.fail('I8', `${key}: alarm ${rang} rang, ${past.alarm} is set`)
      if (this.#clock.wallMs() < rang) this.fail('I8', `${key}: alarm ${rang} rang early`)
      past.alarm = undefined
      past.alarms++
    }
    if (set !== undefined) past.alarm = set
  }

  /** Whatever a turn changed, it read the sum of all that was there: it saw the state of the store. */
  #checkSum(key: string, sections: ReadonlyMap<string, Uint8Array>): void {
    let sum = 0
    for (let i = 0; i < SLOTS; i++) {
      const value = sections.get(`slot${i}`)
      if (value) sum += (decodeValue(value) as { value: number }).value
    }
    const said = sections.get('sum')
    if (!said || decodeValue(said) !== sum) this.fail('I11', `${key}: a turn ran on another state`)
  }

  // The clients.

  /** What anybody was told so far: a read that is asked for now must not be older. */
  told(key: string): number {
    return this.#pastOf(key).told
  }

  wasApplied(request: number): boolean {
    return this.#requests.has(request)
  }

  acknowledged(key: string, request: number, n: number, node: string): void {
    const past = this.#pastOf(key)
    const entry = past.entries[n - 1]
    if (entry?.request !== request) {
      this.fail('I4', `${key}: request ${request} was answered ${n}, which the store does not have`)
    } else if (entry.node !== node) {
      this.fail('I1', `${key}: ${node} answered request ${request}, which ${entry.node} committed`)
    }
    past.told = Math.max(past.told, n)
  }

  read(key: string, n: number, node: string, atLeast: number): void {
    const past = this.#pastOf(key)
    if (n > past.entries.length) {
      this.fail('I10', `${key}: ${node} told ${n}, the store has ${past.entries.length}`)
    }
    if (n < atLeast) this.fail('I10', `${key}: ${node} told ${n} when ${atLeast} was known`)
    past.told = Math.max(past.told, n)
  }

  /** Whether every turn between the two, exclusive, said nothing to all sessions. */
  isSilentBetween(key: string, after: number, before: number): boolean {
    const { entries } = this.#pastOf(key)
    return entries
      .slice(after, before - 1)
      .every(({ session, rang }) => session === undefined && rang === undefined)
  }

  /** Turn `n` applied message `k` of the session. */
  isMessage(key: string, n: number, session: string, k: number): boolean {
    const entry = this.#pastOf(key).entries[n - 1]
    return entry?.session === session && entry.k === k
  }

  frameSeen(key: string, n: number): void {
    const past = this.#pastOf(key)
    if (n > past.entries.length) this.fail('I4', `${key}: a session was told ${n}, not committed`)
    past.told = Math.max(past.told, n)
  }

  // At rest.

  /** Alarms that are set and have not rung. */
  alarmsLeft(): string[] {
    return [...this.#workers].flatMap(([name, { alarm }]) => {
      return alarm === undefined ? [] : [`${name}: the alarm of ${alarm}`]
    })
  }

  get alarms(): number {
    return [...this.#workers.values()].reduce((sum, { alarms }) => sum + alarms, 0)
  }

  get turns(): number {
    return [...this.#workers.values()].reduce((sum, { entries }) => sum + entries.length, 0)
  }

  #pastOf(key: string): Past {
    return this.#past(`ledger/${key}`)
  }

  #past(name: string): Past {
    let past = this.#workers.get(name)
    if (!past) {
      const none = { owner: '', alarm: undefined, sessions: new Map<string, number>() }
      past = { epoch: 0, seq: 0, entries: [], told: 0, alarms: 0, ...none }
      this.#workers.set(name, past)
    }
    return past
  }
}
