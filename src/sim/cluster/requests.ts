/** Requests of the simulated clients, over TCP to a front, and what becomes of them. */
import { connect } from 'node:net'
import { type Random, randomInt } from '../../world.ts'
import type { VirtualProcess } from '../runtime/process.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import type { Checks } from './checks.ts'
import { FRONT_PORT } from './cluster.ts'
import type { Asked } from './ledger.ts'

export interface RequestsComponents {
  readonly clock: VirtualClock
  readonly random: Random
  readonly checks: Checks
  readonly client: VirtualProcess
  readonly say: (text: string) => void
}

interface Answer {
  readonly status: number
  readonly node: string
  readonly body: string
}

/** After these nobody knows whether it was applied; every other error says that it was not. */
const UNKNOWN = new Set(['ARIES_E_OUTCOME_UNKNOWN', 'ARIES_E_TIMEOUT', 'ARIES_E_BAD_GATEWAY'])
const RETRY_MS = 40

/** What became of one request. */
interface Sent {
  readonly key: string
  readonly keyed: boolean
  over: boolean
  applied: boolean | undefined
}

export class Requests {
  readonly counts = { acked: 0, read: 0, thrown: 0, failed: 0, retried: 0 }
  readonly #c: RequestsComponents
  readonly #fronts: number
  readonly #sent = new Map<number, Sent>()
  /** Reads that are under way, and when they began. */
  readonly #reading = new Map<number, string>()
  #reads = 0

  constructor(components: RequestsComponents, init: { fronts: number }) {
    this.#c = components
    this.#fronts = init.fronts
  }

  get pending(): number {
    let pending = this.#reading.size
    for (const { over } of this.#sent.values()) if (!over) pending++
    return pending
  }

  /** One change; `keyed`: with an `Idempotency-Key`, and sent until it is answered. */
  change(key: string, keyed: boolean, ask: Omit<Asked, 'id'>): void {
    const id = this.#sent.size + 1
    this.#sent.set(id, { key, keyed, over: false, applied: undefined })
    void this.#change(this.#sent.get(id)!, { id, ...ask })
  }

  /** One read; resolves with the node that answered, undefined when none did. */
  async read(
    key: string,
    front = randomInt(this.#c.random, this.#fronts),
  ): Promise<string | undefined> {
    const { checks, clock } = this.#c
    const atLeast = checks.told(key)
    const read = ++this.#reads
    this.#reading.set(read, `of ${key} over front ${front + 1}, since ${clock.nowMs()} ms`)
    const answer = await this.#ask(front, `GET /ledger/${key} HTTP/1.1\r\n`, '')
    this.#reading.delete(read)
    if (answer?.status !== 200) {
      this.counts.failed++
      return undefined
    }
    this.counts.read++
    const { n, node } = JSON.parse(answer.body) as { n: number; node: string }
    checks.read(key, n, node, atLeast)
    return node
  }

  /** Everything is over: no error may have lied. */
  atRest(): void {
    const { checks } = this.#c
    for (const read of this.#reading.values()) checks.fail('I6', `a read ${read} has no answer`)
    for (const [id, { keyed, over, applied }] of this.#sent) {
      if (!over) checks.fail('I6', `request ${id} has no answer`)
      else if (applied === false && checks.wasApplied(id)) {
        checks.fail('I6', `request ${id} was applied, its error said that it was not`)
      } else if (keyed && applied && !checks.wasApplied(id)) {
        checks.fail('I4', `request ${id} was answered and is not there`)
      }
    }
  }

  async #change(sent: Sent, asked: Asked): Promise<void> {
    const { clock, checks } = this.#c
    const { key, keyed } = sent
    const body = JSON.stringify(asked)
    const head = `POST /ledger/${key} HTTP/1.1\r\n${keyed ? `idempotency-key: r${asked.id}\r\n` : ''}`
    let front = randomInt(this.#c.random, this.#fronts)
    for (;;) {
      const answer = await this.#ask(front, head, body)
      front = (front + 1) % this.#fronts
      if (answer?.status === 200) {
        this.counts.acked++
        sent.over = sent.applied = true
        const said = JSON.parse(answer.body) as { n: number; node: string }
        checks.acknowledged(key, asked.id, said.n, said.node)
        return
      }
      const code = answer ? codeOf(answer) : 'connection lost'
      this.#c.say(`request ${asked.id} of ${key}: ${code}`)
      if (!keyed || code === 'ARIES_E_WORKER_FAILED') {
        const unknown = !answer || UNKNOWN.has(code)
        this.counts[code === 'ARIES_E_WORKER_FAILED' ? 'thrown' : 'failed']++
        sent.over = true
        sent.applied = unknown ? undefined : false
        return
      }
      this.counts.retried++
      this.counts.failed++
      await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve))
    }
  }

  /** Undefined: the connection failed before there was a whole answer. */
  #ask(front: number, head: string, body: string): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      this.#c.client.run(() => {
        let text = ''
        const socket = connect({ host: '127.0.0.1', port: FRONT_PORT + front })
        socket.setEncoding('utf8')
        socket.on('data', (piece: string) => {
          text += piece
        })
        socket.on('error', () => undefined)
        socket.on('close', () => resolve(answerOf(text)))
        const length = body === '' ? '' : `content-length: ${body.length}\r\n`
        socket.write(`${head}host: sim\r\nconnection: close\r\n${length}\r\n${body}`)
      })
    })
  }
}

function answerOf(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1])
  const body = text.slice(end + 4)
  if (body.length !== length) return undefined
  return {
    status: Number(head.slice(9, 12)),
    node: /^aries-node: (\S+)/im.exec(head)?.[1] ?? '',
    body,
  }
}

function codeOf({ status, body }: Answer): string {
  return /ARIES_E_\w+/.exec(body)?.[0] ?? `status ${status}`
}
