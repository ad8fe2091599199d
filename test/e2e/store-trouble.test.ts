import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'
import { storeLostForAWhile } from './lost-store.ts'

const POST = { method: 'POST' }
/** What a write may be told while the store takes none. */
const TOLD = ['ARIES_E_STORE', 'ARIES_E_OUTCOME_UNKNOWN']

/** Counts on one worker and keeps count. */
class Counting {
  acknowledged = 0
  unknown = 0
  readonly #url: string

  constructor(cluster: TestCluster) {
    this.#url = `${cluster.url}/counter/a`
  }

  /** The code of the error, or undefined when it was counted. */
  async post(): Promise<string | undefined> {
    const body = (await (await fetch(this.#url, POST)).json()) as { error?: { code: string } }
    if (!body.error) this.acknowledged++
    if (body.error?.code === 'ARIES_E_OUTCOME_UNKNOWN') this.unknown++
    return body.error?.code
  }

  /** Until a write counts again; then nothing is lost and nothing doubled. */
  async recovers(t: Test): Promise<void> {
    await until('writes go on', async () => (await this.post()) === undefined)
    const { value } = (await (await fetch(this.#url)).json()) as { value: number }
    const most = this.acknowledged + this.unknown
    t.ok(value >= this.acknowledged && value <= most, `${this.acknowledged} ≤ ${value} ≤ ${most}`)
  }
}

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('a PostgreSQL in trouble', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 1,
    store: postgres.url,
    config: { host: { leaseMs: 1_500 }, front: { ownerTimeoutMs: 1_000 } },
  })
  t.teardown(() => cluster.stop())
  const counting = new Counting(cluster)
  for (let i = 0; i < 3; i++) t.equal(await counting.post(), undefined)
  const isToldOf = async (codes: readonly string[]): Promise<void> => {
    const told = new Set<string>()
    await until('a write is refused for the store', async () => {
      const code = await counting.post()
      if (code) told.add(code)
      return code === 'ARIES_E_STORE'
    })
    t.same(
      [...told].filter((code) => !codes.includes(code)),
      [],
    )
  }

  await t.test('read-only', async (t) => {
    await readOnly('on')
    await isToldOf(TOLD)
    await readOnly('off')
    await counting.recovers(t)
  })

  await t.test('away for longer than the lease', async (t) => {
    await postgres.halt()
    const haltedMs = performance.now()
    // For a while each call hopes that the server only restarts.
    await isToldOf([...TOLD, 'ARIES_E_TIMEOUT'])
    await until('the lease is long over', () => performance.now() - haltedMs > 3_000)
    t.equal(await counting.post(), 'ARIES_E_STORE')
    await postgres.restart()
    await counting.recovers(t)
  })
  if (!t.passing()) t.comment(cluster.logs())
})

async function readOnly(value: 'on' | 'off'): Promise<void> {
  const admin = new pg.Client({ connectionString: postgres.url })
  await admin.connect()
  await admin.query('SET default_transaction_read_only = off')
  await admin.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`)
  await admin.query('SELECT pg_reload_conf()')
  await admin.end()
}

t.test('an SQLite in trouble', async (t) => {
  const cluster = await TestCluster.start({ nodes: 1, config: { host: { leaseMs: 9_000 } } })
  t.teardown(() => cluster.stop())
  await t.test('locked by another', (t) => storeLostForAWhile(t, cluster))
  await t.test('corrupt, and good again', (t) => corrupt(t, cluster))
  if (!t.passing()) t.comment(cluster.logs())
})

async function corrupt(t: Test, cluster: TestCluster): Promise<void> {
  const counting = new Counting(cluster)
  for (let i = 0; i < 3; i++) t.equal(await counting.post(), undefined)
  await cluster.terminate('n1')
  const file = join(cluster.dir, 'aries.db')
  copyFileSync(file, `${file}.good`)
  for (const [what, spoil] of Object.entries(DAMAGE)) {
    writeFileSync(file, spoil(readFileSync(`${file}.good`)))
    cluster.startNode('n1')
    t.not(await cluster.exited('n1'), 0, `it does not start with ${what}`)
    const [last] = cluster.logs(3).split('--- n1').slice(-1)
    t.match(last, /aries\.db: (file is not a database|database disk image is malformed)/, what)
  }
  copyFileSync(`${file}.good`, file)
  cluster.startNode('n1')
  await cluster.readyNode('n1')
  await counting.recovers(t)
}

const DAMAGE: Readonly<Record<string, (good: Buffer) => Buffer>> = {
  'a spoilt head': (good) => Buffer.concat([Buffer.alloc(100, 7), good.subarray(100)]),
  'a spoilt schema': (good) =>
    Buffer.concat([good.subarray(0, 100), Buffer.alloc(3_996, 7), good.subarray(4_096)]),
}
