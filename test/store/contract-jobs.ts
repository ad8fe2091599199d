import type { Test } from 'tap'
import type { JobRow, Store } from '../../src/store/store.ts'
import { LEASE_MS, unique } from './helpers.ts'

const row = (id: string, more: Partial<JobRow> = {}): JobRow => ({
  id,
  version: 0,
  state: 'queued',
  node: '',
  incarnation: 0,
  body: '{"é":1}',
  ...more,
})

export async function jobRules(t: Test, store: Store, other: Store): Promise<void> {
  const jobId = (): string => unique('j').replace(/[^a-z0-9]/g, '')
  const active = async (): Promise<{ node: string; incarnation: number }> => {
    const node = unique('node')
    return { node, incarnation: await store.register(node, LEASE_MS) }
  }

  await t.test('a job is made once, and each write replaces the version that it saw', async (t) => {
    const by = await active()
    const id = jobId()
    t.equal(await store.writeJob({ row: row(id), by }), 'ok')
    t.equal(await other.writeJob({ row: row(id, { body: 'b' }), by }), 'conflict')
    t.match(await other.job(id), { id, version: 1, state: 'queued', body: '{"é":1}' })
    const running = row(id, { version: 1, state: 'running', ...by, body: 'r' })
    const done = await Promise.all(
      [store, other].map((each, i) => each.writeJob({ row: { ...running, body: `r${i}` }, by })),
    )
    t.strictSame(done.toSorted(), ['conflict', 'ok'], 'of two at a time one wins')
    t.match(await store.job(id), { version: 2, state: 'running', ...by, nodeActive: true })
    t.equal(await store.job(jobId()), undefined)
  })

  await t.test('who is not active writes nothing', async (t) => {
    const by = await active()
    const id = jobId()
    await store.writeJob({ row: row(id), by })
    await store.evict(by.node, by.incarnation)
    t.equal(await store.writeJob({ row: row(jobId()), by }), 'fenced')
    t.equal(await store.writeJob({ row: row(id, { version: 1, state: 'ended' }), by }), 'fenced')
    t.match(await store.job(id), { version: 1, state: 'queued' })
  })

  await t.test('it tells whether the node that a job names may still run it', async (t) => {
    const by = await active()
    const short = unique('node')
    const incarnation = await store.register(short, 300)
    const id = jobId()
    await store.writeJob({ row: row(id, { state: 'running', node: short, incarnation }), by })
    t.match(await store.job(id), { nodeActive: true, nodeGone: false })
    await store.renew(short, incarnation, 60_000)
    await store.evict(short, incarnation)
    t.match(await store.job(id), { nodeActive: false, nodeGone: false }, 'for its lease')
    await store.register(short, LEASE_MS)
    t.match(await store.job(id), { nodeActive: false, nodeGone: true }, 'it has begun anew')
    const last = jobId()
    const gone = unique('node')
    await store.register(gone, 0)
    await store.evict(gone, 1)
    const left = row(last, { state: 'running', node: gone, incarnation: 1 })
    await store.writeJob({ row: left, by })
    const deadlineMs = Date.now() + 5_000
    while (!(await store.job(last))?.nodeGone && Date.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    t.match(await store.job(last), { nodeActive: false, nodeGone: true }, 'its lease is over')
  })

  await t.test('live jobs oldest first, past ones newest first, a limit for each', async (t) => {
    const by = await active()
    const ids = [jobId(), jobId(), jobId(), jobId()] as const
    for (const id of ids) {
      await store.writeJob({ row: row(id), by })
      // Made in different milliseconds: their order is by time.
      const made = Date.now()
      while (Date.now() === made) await new Promise((resolve) => setImmediate(resolve))
    }
    const own = async (which: 'live' | 'past'): Promise<string[]> =>
      (await other.jobs(which, 10_000)).map(({ id }) => id).filter((id) => ids.includes(id))
    t.strictSame(await own('live'), ids)
    await store.writeJob({ row: row(ids[0], { version: 1, state: 'running', ...by }), by })
    for (const id of [ids[1], ids[2]]) {
      await store.writeJob({ row: row(id, { version: 1, state: 'ended', ...by }), by })
    }
    t.strictSame(await own('live'), [ids[0], ids[3]])
    t.strictSame(await own('past'), [ids[2], ids[1]])
    t.equal((await store.jobs('past', 1)).length, 1)
    t.ok((await store.job(ids[0]))!.ageMs >= 0)
  })

  await t.test('no more are queued than may be', async (t) => {
    const by = await active()
    const queued = (await store.jobs('live', 10_000)).filter((job) => job.state === 'queued')
    const queueMax = queued.length + 1
    t.equal(await store.writeJob({ row: row(jobId()), by, queueMax }), 'ok')
    t.equal(await store.writeJob({ row: row(jobId()), by, queueMax }), 'full')
  })

  await t.test('of the past the newest are kept, and not for ever', async (t) => {
    const by = await active()
    const make = async (state: JobRow['state']): Promise<string> => {
      const id = jobId()
      await store.writeJob({ row: row(id, { state }), by })
      const made = Date.now()
      while (Date.now() === made) await new Promise((resolve) => setImmediate(resolve))
      return id
    }
    const [old, mid, live, last] = [
      await make('ended'),
      await make('lost'),
      await make('running'),
      await make('ended'),
    ]
    await other.forgetJobs(2, 60_000)
    t.strictSame(
      (await store.jobs('past', 10)).map(({ id }) => id),
      [last, mid],
    )
    t.equal(await store.job(old), undefined)
    await store.forgetJobs(2, 0)
    t.strictSame(await store.jobs('past', 10), [])
    t.equal((await store.job(live))?.state, 'running', 'what lives stays')
  })

  await t.test('what no store can keep is refused', async (t) => {
    const by = await active()
    for (const bad of [
      row('Ä'),
      row(''),
      row('a'.repeat(33)),
      row(jobId(), { body: '\0' }),
      row(jobId(), { body: 'ä'.repeat(40_000) }),
      row(jobId(), { version: -1 }),
    ]) {
      await t.rejects(store.writeJob({ row: bad, by }), { code: 'ARIES_E_STORE' })
    }
  })
}
