import t from 'tap'
import { classesOf } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const id = { class: 'probe', key: 'p' }

t.test('a state over its limit: the turn is undone, what makes room counts', async (t) => {
  const limits = { stateBytesMax: 2_000 }
  const hosts = await Hosts.start(t, ['n1'], { limits })
  const n1 = hosts.get('n1')
  await hosts.create(id, 'n1')
  const set = (name: string, bytes: number) =>
    n1.request(id, { method: 'POST', path: `/?do=set&name=${name}`, body: 'x'.repeat(bytes) })
  t.equal((await set('a', 1_200)).status, 200)
  const seq = (await hosts.store.owner(id))?.seq
  const refused = await set('b', 1_200)
  t.equal(refused.status, 500)
  t.match(JSON.parse(refused.body), {
    error: { code: 'ARIES_E_STATE_TOO_LARGE', message: /it may have 2000 \(stateBytesMax\)/ },
  })
  t.equal((await hosts.store.owner(id))?.seq, seq, 'nothing was committed')
  t.equal((await n1.request(id, { path: '/?do=get&name=b' })).body, 'null')
  t.equal((await set('a', 1_500)).status, 200, 'what is replaced does not count')
  n1.send({ type: 'declare', classes: classesOf({ limits: { stateBytesMax: 1_000 } }) })
  await until('the lower limit', async () => (await set('b', 10)).status === 500)
  t.equal((await set('a', 1_400)).status, 200, 'smaller, though still too large')
  t.equal((await set('a', 1_401)).status, 500)
  n1.send({ type: 'declare', classes: classesOf({ limits: { stateBytesMax: 9_000 } }) })
  await until('the higher limit', async () => (await set('b', 1_200)).status === 200)
})
