/** A host in the test's own process, on a real store whose answers the test can spoil. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { configSchema } from '../../src/config/schema.ts'
import { Host } from '../../src/host/host.ts'
import type { FromHost } from '../../src/host/ipc.ts'
import { formatWorkerId, type WorkerId } from '../../src/identity.ts'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import type { CommitRecord, CommitResult, Store } from '../../src/store/store.ts'
import { HEADER } from '../../src/wire.ts'
import { realWorld } from '../../src/world.ts'
import { classesOf } from './host-process.ts'
import { until } from './until.ts'

const log = createLogger({ role: 'host', id: 'test' }, 'silent')
const defaults = configSchema.parse({
  listeners: [{ http: '127.0.0.1:1' }],
  routes: [{ path: '/', task: 'x' }],
})

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** Code of an error. */
  readonly code: string | undefined
}

/**
 * What becomes of commits: passed on, applied but answered with an error, not even sent, or sent
 * twice, the second time in vain.
 */
export type Spoil = 'nothing' | 'answers' | 'everything' | 'twice'

export class SpoiledHost {
  readonly node: string
  readonly store: Store
  readonly sent: FromHost[] = []
  readonly host: Host
  spoil: Spoil = 'nothing'
  /** Records that reached the store. */
  records = 0
  /** While set, commits wait for it before they are done. */
  hold: Promise<void> | undefined
  /** Added to the clock of the host. */
  aheadMs = 0
  /** Where its clock stands still, if it does; timers run all the same. */
  standsMs: number | undefined
  port = 0

  private constructor(node: string, incarnation: number, store: Store) {
    this.node = node
    this.store = store
    const clock = {
      ...realWorld.clock,
      nowMs: () => (this.standsMs ?? realWorld.clock.nowMs()) + this.aheadMs,
      wallMs: () => realWorld.clock.wallMs() + this.aheadMs,
    }
    this.host = new Host(
      { store: this.#spoiled(), clock, log, send: (message) => this.#heard(message) },
      {
        node,
        bind: '127.0.0.1',
        incarnation,
        host: 1,
        store: '',
        tokens: [],
        classes: classesOf({}),
        limits: defaults.host,
        calls: { ...defaults.calls, answerBytesMax: defaults.host.bodyBytesMax },
        move: defaults.move,
        logLevel: 'silent',
      },
    )
  }

  /** On a SQLite store of its own; both end with the test. */
  static async start(t: Test): Promise<SpoiledHost> {
    const store = await openStore({ log }, `sqlite:${join(t.testdir(), 'aries.db')}`)
    const host = new SpoiledHost('n1', await store.register('n1', 600_000), store)
    t.teardown(async () => {
      await host.host.stop()
      await store.close()
    })
    await host.host.start()
    return host
  }

  /** Claims the worker from that epoch and opens it. */
  async open(id: WorkerId, fromEpoch = 0): Promise<void> {
    const incarnation = (await this.store.nodes()).find((n) => n.id === this.node)!.incarnation
    const claim = {
      id,
      fromEpoch,
      node: this.node,
      incarnation,
      host: 1,
      mode: 'takeover',
    } as const
    const result = await this.store.claim(claim)
    if (!result.ok) throw new Error(result.reason)
    const call = this.sent.length + 1
    this.host.handle({ type: 'open', call, id, epoch: result.epoch })
    await until('opened', () => this.sent.some((m) => m.type === 'answer' && m.call === call))
  }

  async request(id: WorkerId, init: RequestInit & { path?: string } = {}): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}${init.path ?? '/'}`, {
      ...init,
      headers: { [HEADER.worker]: formatWorkerId(id), ...(init.headers as object) },
    })
    const body = await response.text()
    const { status, headers } = response
    return { status, headers, body, code: headers.get(HEADER.fault) ?? undefined }
  }

  #heard(message: FromHost): void {
    this.sent.push(message)
    if (message.type === 'ready') this.port = message.port
  }

  #spoiled(): Store {
    const commit = async (
      node: string,
      incarnation: number,
      records: readonly CommitRecord[],
    ): Promise<CommitResult[]> => {
      this.records += records.length
      const { spoil } = this
      await this.hold
      if (spoil === 'everything') throw new Error('the store is away')
      const results = await this.store.commit(node, incarnation, records)
      if (spoil === 'answers' && records.length > 0) throw new Error('the answer was lost')
      return spoil === 'twice' ? this.store.commit(node, incarnation, records) : results
    }
    return new Proxy(this.store, {
      get: (store, name) => {
        if (name === 'commit') return commit
        const member: unknown = Reflect.get(store, name)
        return typeof member === 'function' ? member.bind(store) : member
      },
    })
  }
}
