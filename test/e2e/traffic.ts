/** Clients of every kind, who must not notice a planned event. */
import type { Test } from 'tap'
import { ChatClient } from '../helpers/chat.ts'
import type { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'

const ROOMS = 4

/** Paths of the two workers come without their keys. */
export interface TrafficInit {
  /** What the keys of its workers begin with, where others had traffic before; default: nothing. */
  readonly name?: string
  readonly perSecond: number
  /** Worker that counts its POSTs, and how many of its kind get them in turn. */
  readonly counter: string
  readonly keys: number
  /** One in `taskEvery` requests is for the task. */
  readonly task: string
  readonly taskEvery: number
  /** Worker that so many WebSockets chat with. */
  readonly room: string
  readonly chatters: number
  readonly onAnswer?: (path: string, body: string) => void
}

export class Traffic {
  readonly load: OpenLoop
  readonly #init: TrafficInit
  readonly #name: string
  readonly #client: Client
  readonly #chat: readonly ChatClient[]
  readonly #bad: string[] = []
  readonly #values = new Map<number, number[]>()

  private constructor(t: Test, cluster: TestCluster, init: TrafficInit) {
    this.#init = init
    this.#name = init.name ?? ''
    this.#client = new Client(cluster.url)
    t.teardown(() => this.#client.close())
    this.#chat = Array.from(
      { length: init.chatters },
      (_, i) => new ChatClient(`${cluster.url}${init.room}/${this.#name}r${i % ROOMS}`, `c${i}`),
    )
    t.teardown(() => {
      for (const one of this.#chat) one.close()
    })
    this.load = new OpenLoop(init.perSecond, (n) => this.#send(n))
    t.teardown(() => this.load.stop())
  }

  static async start(t: Test, cluster: TestCluster, init: TrafficInit): Promise<Traffic> {
    const traffic = new Traffic(t, cluster, init)
    await Promise.all(traffic.#chat.map((one) => one.opened()))
    traffic.load.start()
    return traffic
  }

  /** How many counters have counted. */
  get counting(): number {
    return this.#values.size
  }

  /** Stops, and checks that every request was answered, counted once, and every socket is open. */
  async end(t: Test): Promise<void> {
    await this.load.stop()
    t.strictSame(this.#bad, [], 'no request failed')
    for (const [key, got] of this.#values) {
      const sorted = got.toSorted((a, b) => a - b)
      const expected = Array.from({ length: got.length }, (_, i) => i + 1)
      t.strictSame(sorted, expected, `the values of k${key} are 1…N, each once`)
    }
    const faults = this.#chat.flatMap((one) => one.faults)
    t.strictSame(faults, [], 'no socket closed, no gap, no repetition')
  }

  async #send(n: number): Promise<void> {
    const { counter, keys, task, taskEvery, onAnswer } = this.#init
    const isTask = n % taskEvery === 0
    const key = n % keys
    const path = isTask ? task : `${counter}/${this.#name}k${key}`
    try {
      const { status, body } = await this.#client.send(isTask ? 'GET' : 'POST', path)
      if (status === 200) {
        if (!isTask) this.#count(key, (JSON.parse(body) as { value: number }).value)
        onAnswer?.(path, body)
      } else this.#bad.push(`${path}: ${status} ${body}`)
    } catch (error) {
      this.#bad.push(`${path}: ${error}`)
    }
    this.#chat[n % this.#chat.length]!.say(`message ${n}`)
  }

  #count(key: number, value: number): void {
    this.#values.set(key, [...(this.#values.get(key) ?? []), value])
  }
}
