/** Load for tests: open loop, so that a stall shows as late answers and not as fewer requests. */
import { Agent, request } from 'undici'

export interface Answer {
  readonly status: number
  readonly body: string
  readonly node: string | undefined
  readonly ms: number
}

export class Client {
  readonly #agent: Agent
  readonly #base: string

  constructor(base: string, connections = 50) {
    this.#base = base
    this.#agent = new Agent({ connections, pipelining: 1, allowH2: false, headersTimeout: 30_000 })
  }

  async send(
    method: 'GET' | 'POST',
    path: string,
    body?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const startedMs = performance.now()
    const response = await request(this.#base + path, {
      method,
      dispatcher: this.#agent,
      headers,
      ...(body === undefined ? {} : { body }),
    })
    const text = await response.body.text()
    const node = response.headers['aries-node']
    return {
      status: response.statusCode,
      body: text,
      node: typeof node === 'string' ? node : undefined,
      ms: performance.now() - startedMs,
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** Sends `perSecond` requests a second until `stop`; resolves when all of them have an end. */
export class OpenLoop {
  readonly #send: (n: number) => Promise<void>
  readonly #perSecond: number
  readonly #open = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #startedMs = 0
  #sent = 0

  constructor(perSecond: number, send: (n: number) => Promise<void>) {
    this.#perSecond = perSecond
    this.#send = send
  }

  get sent(): number {
    return this.#sent
  }

  start(): this {
    this.#startedMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), 5)
    return this
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedMs) / 1_000) * this.#perSecond)
    while (this.#sent < due) {
      this.#sent++
      const one = this.#send(this.#sent).finally(() => this.#open.delete(one))
      this.#open.add(one)
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#open)
  }
}

/** The `q` quantile (0 to 1) of some figures, by nearest rank: 99 of 100 are at most its p99. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}
