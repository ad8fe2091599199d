/** The load of a chaos run: an open loop of requests whose answers are all kept. */
import { AriesError, fromBody } from '../../src/errors.ts'
import { type Random, randomInt } from '../../src/world.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import type { FinalRead } from './export.ts'
import { checkHistory, type FinalState, type Operation, type Outcome } from './history.ts'
import { judge } from './models.ts'
import type { Report } from './report.ts'

const COUNTERS = 24
const LOGS = 8
/** One request in so many goes to the hot counter. */
const HOT = 5
/** One write in so many has an `Idempotency-Key`. */
const KEYED = 2
const OPEN_MAX = 2_000
/** Bounds the search for an order of the operations of one worker. */
const STEPS_MAX = 50_000_000
/** Answers that promise that nothing was applied. */
const NOT_APPLIED: ReadonlySet<string> = new Set([
  'ARIES_E_NO_TARGET',
  'ARIES_E_OVERLOADED',
  'ARIES_E_FENCED',
  'ARIES_E_STORE',
  'ARIES_E_NODE_UNREACHABLE',
])
/** A store that is away takes no write, and confirms no read where that is needed. */
const STORE_AWAY = 'ARIES_E_STORE'
/** Answers that a client may get while something is broken. */
const ALLOWED: ReadonlySet<string> = new Set([
  ...NOT_APPLIED,
  'ARIES_E_OUTCOME_UNKNOWN',
  'ARIES_E_BAD_GATEWAY',
  'ARIES_E_TIMEOUT',
])

interface Sent {
  readonly status: number
  readonly body: string
  readonly node: string
}

export class Workload {
  readonly #clients: readonly Client[]
  readonly #random: Random
  readonly #report: Report
  readonly #loop: OpenLoop
  readonly #histories = new Map<string, Operation[]>()
  readonly #finals: FinalRead[] = []
  #under = 0
  #skipped = 0

  constructor(
    components: { random: Random; report: Report },
    init: { urls: readonly string[]; perSecond: number },
  ) {
    this.#random = components.random
    this.#report = components.report
    this.#clients = init.urls.map((url) => new Client(url, 200))
    this.#loop = new OpenLoop(init.perSecond, (n) => this.#send(n))
  }

  get sent(): number {
    return this.#loop.sent
  }

  /** What was read at the end. */
  get finals(): readonly FinalRead[] {
    return this.#finals
  }

  /** Requests that were due while too many were open. */
  get skipped(): number {
    return this.#skipped
  }

  get keys(): readonly string[] {
    const names = (path: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => `${path}${i}`)
    return ['/counter/hot', ...names('/counter/k', COUNTERS), ...names('/log/l', LOGS)]
  }

  start(): void {
    this.#loop.start()
  }

  /** Resolves when every request has its end. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  /** Undefined when every worker answers; else who does not. */
  async notServed(): Promise<string | undefined> {
    const answers = await Promise.all(
      this.keys.map(async (key, i) => {
        const { status, body } = await this.#ask(i, 'GET', key)
        return status === 200 ? undefined : `${key}: ${status} ${body}`
      }),
    )
    return answers.find((answer) => answer !== undefined)
  }

  /** Reads the end of every worker and checks its history. */
  async check(): Promise<void> {
    for (const key of this.keys) {
      const startMs = performance.now()
      const { status, body } = await this.#ask(
        0,
        'GET',
        key.startsWith('/log') ? `${key}?all` : key,
      )
      if (status !== 200) {
        this.#report.violation(`${key} cannot be read at the end: ${status} ${body}`)
        continue
      }
      const final = JSON.parse(body) as FinalState
      this.#finals.push({ key, startMs, endMs: performance.now(), final })
      const history = this.#histories.get(key) ?? []
      for (const { what, operations } of checkHistory(history, final)) {
        this.#report.violation(`${key}: ${what}`, operations)
      }
      this.#judge(key, history, final)
    }
  }

  #judge(key: string, history: readonly Operation[], final: FinalState): void {
    const verdict = judge(history, final, STEPS_MAX)
    if (verdict.is === 'linearizable') return
    if (verdict.is === 'undecided') {
      this.#report.violation(`${key}: undecided after ${verdict.steps} steps`)
      return
    }
    const stuck = verdict.stuck.map(({ name, startMs }) => `${name} at ${startMs.toFixed(0)}`)
    this.#report.violation(
      `${key}: not linearizable; none of these can be next: ${stuck.join(', ')}`,
    )
  }

  async #send(n: number): Promise<void> {
    if (this.#under >= OPEN_MAX) {
      this.#skipped++
      return
    }
    this.#under++
    try {
      if (n % 20 === 0) await this.#task(n)
      else await this.#operate(n)
    } finally {
      this.#under--
    }
  }

  async #task(n: number): Promise<void> {
    const calm = this.#report.calm
    const startMs = performance.now()
    const { status, body, node } = await this.#ask(n, 'GET', '/hello')
    const answer = `${status} ${node} ${status === 200 ? '' : body}`
    const times = { startMs, endMs: performance.now() }
    const op = { n, kind: 'read', safe: true, key: '/hello', ...times } as const
    this.#note({ ...op, outcome: status === 200 ? 'ok' : 'failed', value: 0, answer }, body, calm)
  }

  async #operate(n: number): Promise<void> {
    const { calm } = this.#report
    const keys = this.keys
    const key = keys[n % HOT === 0 ? 0 : randomInt(this.#random, keys.length)]!
    const kind = randomInt(this.#random, 4) === 0 ? 'read' : 'write'
    const keyed = kind === 'write' && randomInt(this.#random, KEYED) === 0
    const safe = keyed || kind === 'read'
    const startMs = performance.now()
    const body = key.startsWith('/log') && kind === 'write' ? String(n) : undefined
    const sent = await this.#ask(
      randomInt(this.#random, this.#clients.length),
      kind === 'read' ? 'GET' : 'POST',
      key,
      body,
      keyed ? { 'idempotency-key': `chaos-${n}` } : {},
    )
    const answer = `${sent.status} ${sent.node} ${sent.body}`
    const common = { n, kind, safe, key, startMs, endMs: performance.now(), answer } as const
    const value = sent.status === 200 ? (JSON.parse(sent.body) as { value: number }).value : 0
    const op: Operation = { ...common, outcome: outcomeOf(sent), value }
    const history = this.#histories.get(key) ?? []
    this.#histories.set(key, history)
    history.push(op)
    this.#note(op, sent.body, calm)
  }

  #note(op: Operation, body: string, calm: number | undefined): void {
    this.#report.add(op)
    if (op.outcome === 'ok') return
    const { answer } = op
    const wasCalm = calm !== undefined && calm === this.#report.calm
    if (wasCalm) this.#report.violation(`failed though nothing was broken: ${answer}`, [op])
    // The front was ended: its clients see a connection that is refused or lost.
    else if (answer.startsWith('0 ')) return
    else if (op.safe && codeOf(body) !== STORE_AWAY) {
      this.#report.violation(`a request that is safe to repeat failed: ${answer}`, [op])
    } else if (!ALLOWED.has(codeOf(body) ?? '')) {
      this.#report.violation(`an answer that is not documented: ${answer}`, [op])
    }
  }

  /** Status 0: no answer came; `body` is why. */
  async #ask(
    front: number,
    method: 'GET' | 'POST',
    path: string,
    body?: string,
    headers?: Record<string, string>,
  ): Promise<Sent> {
    try {
      const client = this.#clients[front % this.#clients.length]!
      const answer = await client.send(method, path, body, headers)
      return { status: answer.status, body: answer.body, node: answer.node ?? '-' }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return { status: 0, body: code ?? message, node: '-' }
    }
  }
}

function outcomeOf({ status, body }: Sent): Outcome {
  if (status === 200) return 'ok'
  if (status === 0) return body === 'ECONNREFUSED' ? 'failed' : 'unknown'
  return NOT_APPLIED.has(codeOf(body) ?? '') ? 'failed' : 'unknown'
}

function codeOf(body: string): string | undefined {
  try {
    const error = fromBody(JSON.parse(body))
    return error instanceof AriesError ? error.code : undefined
  } catch {
    return undefined
  }
}
