import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'
import { OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const PAIRS = 4
const MOVES = 20
const PER_SECOND = 60
const ATTEMPT_MS = 2_000
const GIVE_UP_MS = 30_000

const fixture = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Has relays and a task add one to ledgers, each request under a key of its own. */
class Traffic {
  /** What each ledger answered. */
  readonly values: number[][] = Array.from({ length: PAIRS }, () => [])
  readonly relayed: number[] = Array<number>(PAIRS).fill(0)
  readonly failed: string[] = []
  readonly load: OpenLoop
  readonly #cluster: TestCluster
  /** What the keys of its workers begin with. */
  readonly #name: string
  readonly #agent = new Agent({ connections: 100, pipelining: 1, allowH2: false })
  /** Whether what failed is sent again. */
  readonly #repeats: boolean

  constructor(t: Test, cluster: TestCluster, init: { name: string; repeats: boolean }) {
    this.#cluster = cluster
    this.#repeats = init.repeats
    this.#name = init.name
    t.teardown(() => this.#agent.destroy())
    this.load = new OpenLoop(PER_SECOND, (n) => this.#send(n))
    t.teardown(() => this.load.stop())
  }

  async #send(n: number): Promise<void> {
    const pair = n % PAIRS
    const byTask = n % 3 === 0
    const key = `${this.#name}${pair}`
    const path = byTask ? `/relay-task?to=${key}` : `/relay/${key}?to=${key}`
    const untilMs = performance.now() + GIVE_UP_MS
    for (;;) {
      const answer = await this.#attempt(path, `${this.#name} ${n}`)
      if (answer.status === 200) {
        this.values[pair]!.push((JSON.parse(answer.text) as { value: number }).value)
        if (!byTask) this.relayed[pair]!++
        else if (n % 2 === 0) await this.#sendAgain(path, `${this.#name} ${n}`, answer.text)
        return
      }
      if (!this.#repeats || performance.now() > untilMs) {
        this.failed.push(`${path}: ${answer.status} ${answer.text}`)
        return
      }
      await sleep(20)
    }
  }

  /** A task keeps no replies: it is the callee that counts a key once. */
  async #sendAgain(path: string, key: string, first: string): Promise<void> {
    const answer = await this.#attempt(path, key)
    if (answer.status === 200 && answer.text !== first) {
      this.failed.push(`${path}: ${answer.text} after ${first}`)
    }
  }

  async #attempt(path: string, key: string): Promise<{ status: number; text: string }> {
    try {
      const response = await request(this.#cluster.url + path, {
        method: 'POST',
        headers: { 'idempotency-key': key },
        dispatcher: this.#agent,
        ...(this.#repeats ? { signal: AbortSignal.timeout(ATTEMPT_MS) } : {}),
      })
      return { status: response.statusCode, text: await response.body.text() }
    } catch (error) {
      return { status: 0, text: String(error) }
    }
  }

  /** Every request counted exactly once, at its ledger and at its relay. */
  async check(t: Test): Promise<void> {
    t.strictSame(this.failed, [], 'every request is answered 200')
    for (let pair = 0; pair < PAIRS; pair++) {
      const got = this.values[pair]!.toSorted((a, b) => a - b)
      const expected = Array.from({ length: got.length }, (_, i) => i + 1)
      t.strictSame(got, expected, `ledger ${pair} gave 1 to ${got.length}, each once`)
      t.equal(await this.#read(`/ledger/${this.#name}${pair}`, 'sum'), got.length)
      t.equal(await this.#read(`/relay/${this.#name}${pair}`, 'value'), this.relayed[pair])
    }
  }

  async #read(path: string, name: string): Promise<unknown> {
    const response = await fetch(this.#cluster.url + path)
    return ((await response.json()) as Record<string, unknown>)[name]
  }
}

t.test('calls count once and do not fail, whatever becomes of caller and callee', async (t) => {
  const cluster = await TestCluster.start({
    key: 'a key that is long enough',
    // Nobody else moves what the test moves.
    config: { move: PATIENT_MOVES, placement: { rebalanceIntervalMs: 3_600_000 } },
    routes: [
      { path: '/ledger/:key', worker: fixture('../host/fixtures/ledger.ts') },
      { path: '/relay/:key', worker: fixture('./fixtures/relay.ts') },
      { path: '/relay-task', task: fixture('./fixtures/relay-task.ts') },
    ],
  })
  t.teardown(() => cluster.stop())

  await t.test('both are moved 20 times', async (t) => {
    const traffic = new Traffic(t, cluster, { name: 'm', repeats: false })
    const load = traffic.load.start()
    await until(
      'all are open',
      async () => (await cluster.get('/api/workers')).length === PAIRS * 2,
    )
    let moved = 0
    for (let i = 0; i < MOVES; i++) {
      const workers = await cluster.get('/api/workers')
      const move = async (name: string): Promise<void> => {
        const key = `m${i % PAIRS}`
        const here = workers.find((w) => w.class === name && w.key === key)?.node
        const to = ['n1', 'n2', 'n3'].filter((node) => node !== here)[i % 2]!
        const answer = await cluster.post(`/api/workers/${name}/${key}/move`, { to })
        if (answer.status === 200) moved++
        else t.comment(`${name}/${key}: ${JSON.stringify(answer.body)}`)
      }
      await Promise.all([move('ledger'), move('relay')])
      const sent = load.sent
      await until('load goes on', () => load.sent >= sent + PER_SECOND / 20)
    }
    await load.stop()
    t.equal(moved, MOVES * 2)
    await traffic.check(t)
  })

  await t.test('a node with some of both is killed', async (t) => {
    const traffic = new Traffic(t, cluster, { name: 'k', repeats: true })
    const load = traffic.load.start()
    await until('some load has passed', () => load.sent > PER_SECOND)
    const workers = await cluster.get('/api/workers')
    for (const name of ['ledger/k0', 'relay/k1']) {
      const isThere = workers.some((w) => `${w.class}/${w.key}` === name && w.node === 'n2')
      if (!isThere) await cluster.post(`/api/workers/${name}/move`, { to: 'n2' })
    }
    const there = (await cluster.get('/api/workers')).filter(({ node }) => node === 'n2')
    t.ok(there.some((w) => w.key === 'k0') && there.some((w) => w.key === 'k1'))
    process.kill(cluster.pid('n2'), 'SIGKILL')
    const sent = load.sent
    await until('the load goes on', () => load.sent > sent + PER_SECOND)
    await load.stop()
    await traffic.check(t)
  })
  if (!t.passing()) t.comment(cluster.logs())
})
