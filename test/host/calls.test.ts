import t, { type Test } from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import { HEADER } from '../../src/wire.ts'
import { SpoiledHost } from '../helpers/host-in-process.ts'
import type { HostProcess } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const CALLER: WorkerId = { class: 'caller', key: 'c' }
const LEDGER: WorkerId = { class: 'ledger', key: 'a' }

interface Setting {
  readonly hosts: Hosts
  /** Has the caller do something. */
  readonly ask: (path: string, init?: RequestInit) => Promise<Record<string, unknown>>
  readonly sum: () => Promise<number>
}

/** The caller on `n1`, a ledger on `at`; `hosts`: those of another setting. */
async function setting(t: Test, at: 'n1' | 'n2', shared?: Hosts, name = 'a'): Promise<Setting> {
  const hosts = shared ?? (await Hosts.start(t, ['n1', 'n2']))
  const ledger = { class: 'ledger', key: name }
  if (!shared) await hosts.create(CALLER, 'n1')
  await hosts.create(ledger, at)
  const json = async (host: HostProcess, id: WorkerId, path: string, init?: RequestInit) =>
    JSON.parse((await host.request(id, { ...init, path })).body) as Record<string, unknown>
  return {
    hosts,
    ask: (path, init) => {
      const query = path.includes('?') ? `&to=${name}` : `?to=${name}`
      return json(hosts.get('n1'), CALLER, path + query, init)
    },
    sum: async () => (await json(hosts.get(at), ledger, '/'))['sum'] as number,
  }
}

for (const at of ['n1', 'n2'] as const) {
  t.test(at === 'n1' ? 'a callee in the same host' : 'a callee in another host', async (t) => {
    const calls = { answerBytesMax: 100_000, perWorkerMax: 5 }
    const all = await Hosts.start(t, ['n1', 'n2'], { calls })
    await all.create(CALLER, 'n1')

    await t.test('methods and fetch', async (t) => {
      const { hosts, ask, sum } = await setting(t, at, all, 'l1')
      t.same(await ask('/add?n=5'), { value: 5 })
      t.same(await ask('/add?n=2'), { value: 7 })
      t.same(await ask('/echo'), { isDate: true, big: true, same: 7 }, 'as structured clone does')
      t.match(await ask('/fetch', { method: 'POST', body: 'x' }), {
        status: 202,
        own: 'ledger',
        method: 'POST',
        url: 'http://ledger/path%20x?q=l1',
        key: 'l1',
        body: 'hello',
      })
      const { headers } = await ask('/fetch')
      t.ok((headers as string[]).includes('x-own'))
      t.notOk(
        (headers as string[]).some((name) => name.startsWith('aries-')),
        'inner fields are neither set nor seen',
      )
      t.equal(await sum(), 7)
      t.equal(hosts.get('n1').resolves, at === 'n1' ? 0 : 1, 'the owner is asked for once')
    })

    await t.test('only public methods of the class are called', async (t) => {
      const { ask, sum } = await setting(t, at, all, 'l2')
      t.same(await ask('/method?name=sum'), { value: 0 })
      const others = ['nothing', 'field', 'getter', '_own', 'fetch', 'start', 'stop', 'alarm']
      others.push('constructor', 'toString', '__proto__', 'setAlarm', 'webSocketMessage', 'tcpData')
      others.push('hasOwnProperty', '__defineGetter__', 'a b', '../x', 'x'.repeat(200))
      for (const name of others) {
        t.match(await ask(`/method?name=${encodeURIComponent(name)}`), {
          code: 'ARIES_E_CALL_UNKNOWN',
          worker: 'ledger/l2',
        })
      }
      t.match(await ask('/method?name=throws'), {
        code: 'ARIES_E_WORKER_FAILED',
        message: /ledger\/l2: the ledger is closed/,
      })
      t.equal(await sum(), 0, 'a turn that throws changes nothing')
      t.match(await ask('/clone'), { code: 'ARIES_E_BAD_REQUEST', message: /cannot be copied/ })
    })

    await t.test('time, abort and size of a call', async (t) => {
      const { ask, sum } = await setting(t, at, all, 'l3')
      t.match(await ask('/slow'), { code: 'ARIES_E_OUTCOME_UNKNOWN', message: /within 100 ms/ })
      t.match(await ask('/abort'), { other: 'Error: enough' })
      t.same(await ask('/large?n=50000'), { length: 50_000 })
      t.match(await ask('/large?n=10500000'), { code: 'ARIES_E_ANSWER_TOO_LARGE' })
      t.same(await ask('/fetch-large?n=100000'), { length: 100_000 })
      t.match(await ask('/fetch-large?n=100001'), { code: 'ARIES_E_ANSWER_TOO_LARGE' })
      t.equal(await sum(), 2, 'what had begun ran on; what waited, or was too large, did not count')
    })

    await t.test('a key makes calls count once', async (t) => {
      const { ask, sum } = await setting(t, at, all, 'l4')
      const five = await Promise.all(Array.from({ length: 5 }, () => ask('/add?n=3&key=one')))
      t.same(five, Array(5).fill({ value: 3 }))
      t.match(await ask('/add?n=4&key=one'), { code: 'ARIES_E_KEY_REUSED' })
      t.match(await ask('/add?n=4&key=%00'), { code: 'ARIES_E_BAD_REQUEST' })
      t.same(await ask('/add?n=4&key=two'), { value: 7 })
      t.equal(await sum(), 7)
    })

    await t.test('calls of one worker are bounded', async (t) => {
      const { ask } = await setting(t, at, all, 'l5')
      const ended = (await ask('/many?n=7')) as unknown as string[]
      t.same(ended.toSorted(), [...Array(2).fill('ARIES_E_OVERLOADED'), ...Array(5).fill('ok')])
      t.same(await ask('/add'), { value: 6 }, 'room again')
    })
  })
}

t.test('what a call is not', async (t) => {
  const all = await Hosts.start(t, ['n1', 'n2'])
  await all.create(CALLER, 'n1')

  await t.test('a turn that throws after its call does not undo it', async (t) => {
    const { ask, sum } = await setting(t, 'n2', all, 'l6')
    t.match(await ask('/add-then-throw'), { other: /after the call/ })
    t.equal(await sum(), 1)
  })

  await t.test('a call that comes back is refused at once, with its chain', async (t) => {
    const { hosts, ask } = await setting(t, 'n2', all, 'l7')
    const odd = { class: 'caller', key: 'x,→ %/y' }
    await hosts.create({ class: 'caller', key: 'd' }, 'n2')
    await hosts.create(odd, 'n2')
    t.same(await ask('/d'), { chain: 'd' })
    t.same(await ask(`/d/${encodeURIComponent(odd.key)}`), { chain: 'd x,→ %/y' })
    t.match(await ask('/c'), {
      code: 'ARIES_E_CALL_CYCLE',
      message: 'caller/c waits for this call itself: caller/c → caller/c',
    })
    // The workers on the way do not catch it: each has thrown.
    t.match(await ask('/d/c'), {
      code: 'ARIES_E_WORKER_FAILED',
      message: /caller\/d: .*caller\/c → caller\/d → caller\/c/,
    })
    const name = encodeURIComponent(odd.key)
    t.match(await ask(`/${name}/d/${name}`), { message: /waits for this call itself/ })
    const long = Array.from({ length: 20 }, (_, i) => `k${i}`).join('/')
    t.match(await ask(`/${long}`), { message: /16 workers wait already/ })
    t.same(await ask('/d'), { chain: 'd' }, 'nobody is left waiting')
  })

  await t.test('a caller that shows no token is refused', async (t) => {
    const response = await fetch(`http://127.0.0.1:${all.get('n2').port}/add`, {
      method: 'POST',
      headers: { [HEADER.worker]: 'ledger/a', [HEADER.call]: 'add' },
    })
    t.equal(response.status, 401)
  })
})

t.test('a call leaves when the turns before it are durable', async (t) => {
  const host = await SpoiledHost.start(t)
  await host.open(CALLER)
  await host.open(LEDGER)
  const held = Promise.withResolvers<void>()
  host.hold = held.promise
  const noted = host.request(CALLER, { path: '/note' })
  await until('the commit is under way', () => host.records > 0)
  const added = host.request(CALLER, { path: '/add' })
  for (let i = 0; i < 5; i++) {
    t.match(JSON.parse((await host.request(LEDGER)).body), { sum: 0 })
  }
  host.hold = undefined
  held.resolve()
  t.equal((await noted).status, 200)
  t.same(JSON.parse((await added).body), { value: 1 })
})

t.test('also those of a relaxed worker, whose answers do not wait', async (t) => {
  const host = await SpoiledHost.start(t)
  const caller = { class: 'relaxed-caller', key: 'c' }
  const held = Promise.withResolvers<void>()
  t.teardown(() => {
    host.hold = undefined
    held.resolve()
  })
  // How old its backlog is must not depend on how fast the test is.
  host.standsMs = performance.now()
  await host.open(caller)
  await host.open(LEDGER)
  host.hold = held.promise
  t.equal((await host.request(caller, { path: '/note' })).status, 200)
  const added = host.request(caller, { path: '/add' })
  for (let i = 0; i < 5; i++) {
    t.match(JSON.parse((await host.request(LEDGER)).body), { sum: 0 })
  }
  host.hold = undefined
  held.resolve()
  t.same(JSON.parse((await added).body), { value: 1 })
})

t.test('wrong owners are corrected; a host that is gone is asked for again', async (t) => {
  const { hosts, ask } = await setting(t, 'n2')
  t.same(await ask('/add'), { value: 1 })
  await hosts.get('n2').move(LEDGER, hosts.get('n1').address)
  t.same(await ask('/add'), { value: 2 }, 'it came into the same host')
  await hosts.get('n1').move(LEDGER, hosts.get('n2').address)
  t.same(await ask('/add'), { value: 3 }, 'it went again')
  t.equal(hosts.get('n1').resolves, 1, 'hosts said where it is')
  await hosts.get('n2').kill()
  const again = ask('/add?key=k')
  await until('the owner is asked for', () => hosts.get('n1').resolves > 1)
  await hosts.store.evict('n2', await hosts.incarnation('n2'))
  await hosts.takeOver(LEDGER, (await hosts.store.owner(LEDGER))!.epoch, 'n1')
  t.same(await again, { value: 4 })
})

t.test('a host that dies with a call in it: unknown without a key', async (t) => {
  const { hosts, ask } = await setting(t, 'n2')
  const lost = ask('/hold')
  await until('the call has begun', () => hosts.get('n2').stats?.requests === 1)
  await hosts.get('n2').kill()
  t.match(await lost, { code: 'ARIES_E_OUTCOME_UNKNOWN', message: /n2 failed/ })
})
