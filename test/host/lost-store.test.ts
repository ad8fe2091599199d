import t from 'tap'
import { machineMs } from '../../src/host/vouch.ts'
import { SpoiledHost } from '../helpers/host-in-process.ts'
import { until } from '../helpers/until.ts'

const POST = { method: 'POST' }
const a = { class: 'counter', key: 'a' }
const b = { class: 'counter', key: 'b' }

function gate(): { closed: Promise<void>; open: () => void } {
  let open = (): void => {}
  const closed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { closed, open }
}

const countOf = (body: string): number => (JSON.parse(body) as { value: number }).value

t.test('a commit that was applied though its answer was lost: outcome unknown', async (t) => {
  const host = await SpoiledHost.start(t)
  await host.open(a)
  t.equal((await host.request(a, POST)).status, 200)
  host.spoil = 'answers'
  const { closed, open } = gate()
  host.hold = closed
  const write = host.request(a, POST)
  await until('the record is with the store', () => host.records === 2)
  const read = host.request(a)
  const second = host.request(a, POST)

  open()
  const answer = await write
  t.equal(answer.status, 502)
  t.equal(answer.code, 'ARIES_E_OUTCOME_UNKNOWN')
  // They saw, or stood upon, what nobody knows to be there; they themselves changed nothing.
  t.equal((await read).status, 421)
  t.equal((await second).status, 421)
  t.match(
    host.sent.findLast((m) => m.type === 'gone'),
    { id: a, why: 'store' },
  )

  host.spoil = 'nothing'
  host.hold = undefined
  t.equal((await host.request(a)).status, 421, 'it is not open any more')
  await host.open(a, 1)
  t.equal(countOf((await host.request(a)).body), 2, 'reopened from the store')
  t.equal(host.records, 2, 'what stood upon it was not sent')
  let answered = await host.request(a, POST)
  for (; answered.status === 503; answered = await host.request(a, POST)) {
    t.equal(answered.code, 'ARIES_E_STORE', 'until the store is seen to be back')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.equal(countOf(answered.body), 3)
  t.match(await host.store.owner(a), { epoch: 2, seq: 3 })
})

t.test('a lost store: reads go on, writes are refused before anything is sent', async (t) => {
  const host = await SpoiledHost.start(t)
  await host.open(a)
  await host.open(b)
  t.equal((await host.request(b, POST)).status, 200)
  host.spoil = 'everything'
  t.equal((await host.request(a, POST)).code, 'ARIES_E_OUTCOME_UNKNOWN')
  const sent = host.records
  for (let i = 0; i < 3; i++) {
    const answer = await host.request(b, POST)
    t.equal(answer.status, 503)
    t.equal(answer.code, 'ARIES_E_STORE')
    t.ok(answer.headers.get('retry-after'))
    t.equal(countOf((await host.request(b)).body), 1, 'the refused turn is undone')
  }
  host.host.handle({ type: 'vouch', atMs: machineMs() - 10_000 })
  t.equal((await host.request(b)).status, 421, 'a read that nobody can confirm is asked again')
  host.host.handle({ type: 'vouch', atMs: machineMs() + 60_000 })
  t.equal(countOf((await host.request(b)).body), 1, 'and answered when somebody vouches')
  t.equal(host.records, sent, 'nothing was sent')
  host.spoil = 'nothing'
  let answer = await host.request(b, POST)
  const deadlineMs = performance.now() + 5_000
  while (answer.status === 503 && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    answer = await host.request(b, POST)
  }
  t.equal(countOf(answer.body), 2)
  t.match(await host.store.owner(b), { epoch: 1, seq: 2 }, 'b was never dropped')
})

t.test('what waited behind a failed commit was not sent: not applied', async (t) => {
  const host = await SpoiledHost.start(t)
  await host.open(a)
  await host.open(b)
  host.spoil = 'everything'
  const { closed, open } = gate()
  host.hold = closed
  const first = host.request(a, POST)
  await until('a is with the store', () => host.records === 1)
  const second = host.request(b, POST)
  await host.request({ class: 'probe', key: 'none' })
  open()
  t.equal((await first).code, 'ARIES_E_OUTCOME_UNKNOWN')
  const answer = await second
  t.ok(answer.code === 'ARIES_E_NOT_OWNER' || answer.code === 'ARIES_E_STORE', answer.code ?? '')
  t.equal(host.records, 1)
})

t.test(
  'fenced while a commit is under way: its outcome is unknown, not "not applied"',
  async (t) => {
    const host = await SpoiledHost.start(t)
    await host.open(a)
    const { closed, open } = gate()
    host.hold = closed
    const write = host.request(a, POST)
    await until('the record is with the store', () => host.records === 1)
    host.host.handle({ type: 'fenced' })
    t.equal((await write).code, 'ARIES_E_OUTCOME_UNKNOWN')
    open()
    await until('it has been applied', async () => (await host.store.owner(a))?.seq === 1)
  },
)

t.test('a store that is late counts as lost, but what was sent is waited for', async (t) => {
  const host = await SpoiledHost.start(t)
  await host.open(a)
  await host.open(b)
  const { closed, open } = gate()
  host.hold = closed
  const write = host.request(a, POST)
  await until('the record is with the store', () => host.records === 1)
  host.aheadMs = 2_500
  t.equal((await host.request(b, POST)).code, 'ARIES_E_STORE')
  t.equal((await host.request(b)).status, 200)
  open()
  t.equal((await write).status, 200)
  host.hold = undefined
  t.equal((await host.request(b, POST)).status, 200)
})

t.test('a name that no store can keep fails its own turn alone', async (t) => {
  const host = await SpoiledHost.start(t)
  const probe = { class: 'probe', key: 'p' }
  await host.open(a)
  await host.open(probe)
  const names = ['nul\0', 'é'.repeat(300)].map((name) => encodeURIComponent(name))
  for (const name of names) {
    const [bad, good] = await Promise.all([
      host.request(probe, { method: 'POST', body: 'x', path: `/?do=set&name=${name}` }),
      host.request(a, POST),
    ])
    t.equal(bad.code, 'ARIES_E_WORKER_FAILED')
    t.equal(good.status, 200)
  }
})
