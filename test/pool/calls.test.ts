import t, { type Test } from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import { TOKEN } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'
import { PoolProcess } from './pool-process.ts'

const LEDGER: WorkerId = { class: 'ledger', key: 'a' }

/** A pool, and a ledger in a host process. */
async function setting(t: Test, init: ConstructorParameters<typeof PoolProcess>[0] = {}) {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  await hosts.create(LEDGER, 'n1')
  await hosts.create({ class: 'ledger', key: 'b' }, 'n1')
  const known = { node: 'n1', epoch: 1 }
  const owner = () => ({ ...hosts.get(known.node).address, epoch: known.epoch })
  const pool = await new PoolProcess({ ...init, token: TOKEN, owner }).ready()
  t.teardown(() => pool.end())
  const ask = async (query: string): Promise<unknown> => {
    const answer = await pool.call('calls', `/calls?${query}`, { headers: { 'aries-auth': TOKEN } })
    return JSON.parse(answer.body)
  }
  const sum = async () =>
    (JSON.parse((await hosts.get('n1').request(LEDGER)).body) as { sum: number }).sum
  return { hosts, pool, ask, sum, known }
}

t.test('tasks call workers; the threads share what is known of owners', async (t) => {
  const { hosts, pool, ask, sum } = await setting(t)
  const values = await Promise.all(Array.from({ length: 6 }, () => ask('do=add')))
  t.same(
    values.map((one) => (one as { value: number }).value).toSorted((a, b) => a - b),
    [1, 2, 3, 4, 5, 6],
  )
  t.match(await ask('do=fetch'), { method: 'POST', url: 'http://ledger/x', body: 'hello' })
  t.equal(pool.resolves, 1)
  await hosts.get('n1').move(LEDGER, hosts.get('n2').address)
  t.same(await ask('do=add&key=k'), { value: 7 }, 'it is followed')
  t.same(await ask('do=add&key=k'), { value: 7 }, 'a key counts once')
  t.equal(pool.resolves, 1)
  await hosts.get('n2').move(LEDGER, hosts.get('n1').address)
  t.equal(await sum(), 7)
})

t.test('a call to a node that is found dead is made to the next owner', async (t) => {
  const { hosts, pool, ask, known } = await setting(t)
  t.same(await ask('do=add'), { value: 1 })
  const n1 = hosts.get('n1')
  n1.child.kill('SIGSTOP')
  const asked = ask('do=add&key=k')
  await hosts.store.evict('n1', await hosts.incarnation('n1'))
  await hosts.takeOver(LEDGER, 1, 'n2')
  Object.assign(known, { node: 'n2', epoch: 2 })
  pool.send({ type: 'node', node: 'n1', dead: true })
  t.same(await asked, { value: 2 })
  t.equal(pool.resolves, 2)
})

t.test('what fails is told, and calls are bounded', async (t) => {
  const { ask } = await setting(t, { calls: { perWorkerMax: 3 } })
  t.match(await ask('do=abort&to=b'), { other: 'TimeoutError' })
  const ended = (await ask('do=many')) as string[]
  t.same(ended.toSorted(), [...Array(2).fill('ARIES_E_OVERLOADED'), ...Array(3).fill('ok')])
  t.match(await ask('do=add&key=%00'), { code: 'ARIES_E_BAD_REQUEST', worker: 'ledger/a' })
})

t.test('the end of a task ends its calls, and nothing else', async (t) => {
  const { hosts, ask, pool, sum } = await setting(t, { limits: { taskTimeoutMs: 500 } })
  const headers = { 'aries-auth': TOKEN }
  const stopped = pool.call('calls', '/calls?do=wait&to=b', { headers })
  await until('the callee has begun', () => hosts.get('n1').stats?.requests === 1)
  const queued = pool.call('calls', '/calls?do=wait&to=b', { headers })
  t.equal((await stopped).status, 504)
  t.equal((await queued).status, 504)
  t.equal((await pool.call('calls', '/calls?do=leave', { headers })).body, 'left')
  t.same(await ask('do=add'), { value: 2 }, 'the call that was left behind was made')
  t.equal(await sum(), 2)
})
