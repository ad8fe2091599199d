import { request } from 'node:http'
import t from 'tap'
import type { HostSetup } from '../../src/host/ipc.ts'
import { formatWorkerId } from '../../src/identity.ts'
import { classesOf, TOKEN } from '../helpers/host-process.ts'
import { LinkClient } from '../helpers/session-client.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const id = { class: 'probe', key: 'a b/ü' }

const code = (body: string): string => (JSON.parse(body) as { error: { code: string } }).error.code

t.test('turns', async (t) => {
  const started = { requestTimeoutMs: 400, queueMax: 5, bodyBytesMax: 1_000 }
  const hosts = await Hosts.start(t, ['n1'], {
    limits: started,
  })
  const n1 = hosts.get('n1')
  await hosts.create(id, 'n1')
  const ask = (query: string, init: RequestInit = {}) =>
    n1.request(id, { ...init, path: `/?${query}` })

  t.test('a request is answered by the worker, with the node in a header', async (t) => {
    const answer = await ask('', { method: 'PUT', body: 'päckchen' })
    t.equal(answer.status, 200)
    t.same(JSON.parse(answer.body), { method: 'PUT', text: 'päckchen' })
    t.equal(answer.headers.get('aries-node'), 'n1')
    t.equal(answer.headers.get('content-length'), String(Buffer.byteLength(answer.body)))
  })

  t.test('what was answered is committed', async (t) => {
    await ask('do=set&name=kept', { method: 'POST', body: 'v' })
    const loaded = await hosts.store.load(id)
    t.ok(loaded?.sections.some(({ name }) => name === 'kept'))
  })

  t.test('a turn that throws changes nothing and answers 500', async (t) => {
    const seq = (await hosts.store.owner(id))?.seq
    const answer = await ask('do=throw&name=thrown')
    t.equal(answer.status, 500)
    t.equal(code(answer.body), 'ARIES_E_WORKER_FAILED')
    t.equal((await ask('do=get&name=thrown')).body, 'null')
    t.equal((await hosts.store.owner(id))?.seq, seq)
  })

  t.test('a change inside an object is undone as well', async (t) => {
    await ask('do=list')
    t.equal((await ask('do=mutate-throw')).status, 500)
    t.same(JSON.parse((await ask('do=get&name=list')).body), ['one'])
  })

  t.test('what structured clone does not take fails its turn', async (t) => {
    t.equal((await ask('do=function')).status, 500)
    t.equal((await ask('do=get')).body, 'null')
  })

  t.test('a fetch that returns no Response is a failure', async (t) => {
    t.equal(code((await ask('do=nothing&name=nothing')).body), 'ARIES_E_WORKER_FAILED')
    t.equal((await ask('do=get&name=nothing')).body, 'null')
    t.equal((await ask('do=used')).status, 500, 'its body was used up')
  })

  t.test('a method that no Request can have is a bad request', async (t) => {
    const status = await new Promise((resolve) => {
      const headers = { 'aries-worker': formatWorkerId(id), 'aries-auth': TOKEN }
      request({ port: n1.port, method: 'TRACE', headers })
        .on('response', (res) => resolve(res.resume().statusCode))
        .end()
    })
    t.equal(status, 400)
  })

  t.test('a rejection that nobody handles ends no process', async (t) => {
    t.equal((await ask('do=forget')).status, 200)
    t.equal((await ask('')).status, 200)
  })

  t.test('a streamed body arrives piece by piece, whole', async (t) => {
    const answer = await ask('do=stream&count=5')
    t.equal(answer.body, '0;1;2;3;4;')
    t.equal(answer.headers.get('transfer-encoding'), 'chunked')
  })

  t.test('a body over the limit is refused with 413', async (t) => {
    const answer = await ask('do=set&name=large', { method: 'POST', body: 'x'.repeat(1_001) })
    t.equal(answer.status, 413)
    t.equal((await ask('do=get&name=large')).body, 'null')
  })

  t.test('a full queue answers 503 with Retry-After, and starts nothing', async (t) => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => ask('do=sleep&ms=30&name=slept')),
    )
    const refused = answers.filter(({ status }) => status === 503)
    t.ok(refused.length > 0)
    t.equal(refused[0]?.headers.get('retry-after'), '1')
    t.equal(code(refused[0]!.body), 'ARIES_E_OVERLOADED')
    t.ok(answers.every(({ status }) => status === 200 || status === 503))
  })

  t.test('limits of the class that changed hold for workers that are open', async (t) => {
    const declare = (limits: Partial<HostSetup['limits']>): void =>
      n1.send({ type: 'declare', classes: classesOf({ limits }) })
    declare({ queueMax: 0 })
    await until('no queue at all', async () => (await ask('')).status === 503)
    declare({ requestTimeoutMs: 20_000 })
    await until('a queue again', async () => (await ask('')).status === 200)
    t.equal((await ask('do=sleep&ms=700')).status, 200, 'more time than before')
    declare({ ...started, queueMax: 0 })
    await until('no queue at all', async () => (await ask('')).status === 503)
    declare(started)
    await until('as before', async () => (await ask('')).status === 200)
  })

  t.test('a turn that never ends costs its own request and no other', async (t) => {
    const hung = ask('do=hang&name=hung')
    await until('stats', () => n1.stats !== undefined)
    const next = await ask('do=get&name=hung')
    t.equal((await hung).status, 504)
    t.equal(code((await hung).body), 'ARIES_E_TIMEOUT')
    t.ok(next.status === 200 || next.status === 504)
    t.equal((await ask('do=get&name=hung')).body, 'null')
    t.equal((await ask('do=started')).body, '1', 'another instance, started')
  })

  t.test('a worker that is not here: 421, nothing applied', async (t) => {
    const answer = await n1.request({ class: 'probe', key: 'elsewhere' }, { method: 'POST' })
    t.equal(answer.status, 421)
    t.equal(answer.headers.get('aries-fault'), 'ARIES_E_NOT_OWNER')
    t.equal(answer.headers.get('aries-owner'), null)
  })

  t.test('strangers and nonsense are turned away', async (t) => {
    t.equal((await ask('', { headers: { 'aries-auth': 'wrong' } })).status, 401)
    t.equal((await ask('', { headers: { 'aries-worker': 'no slash' } })).status, 400)
  })

  t.test('a class that does not load, or is unknown, is not opened', async (t) => {
    const broken = { class: 'broken', key: 'x' }
    await t.rejects(hosts.create(broken, 'n1'), { code: 'ARIES_E_WORKER_FAILED' })
    const unknown = { class: 'unknown', key: 'x' }
    await t.rejects(hosts.create(unknown, 'n1'), { code: 'ARIES_E_CLASS_UNKNOWN' })
    await t.rejects(n1.open(id, 99), { code: 'ARIES_E_FENCED' })
  })

  t.test('a closed worker has stopped, its last changes committed', async (t) => {
    await ask('do=set&name=rememberStop', { method: 'POST', body: 'yes' })
    await n1.close(id)
    t.match(n1.gone.at(-1), { id, why: 'closed' })
    const loaded = await hosts.store.load(id)
    t.ok(loaded?.sections.some(({ name }) => name === 'stopped'))
    t.equal((await ask('')).status, 421)
    await n1.open(id, 1)
    t.equal((await ask('do=get&name=rememberStop')).body, '"yes"')
  })
})

t.test('with frozen values a change in place fails its turn and says how to do it', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { limits: { freezeState: true } })
  const n1 = hosts.get('n1')
  await hosts.create(id, 'n1')
  const ask = (what: string) => n1.request(id, { path: `/?name=list&do=${what}` })
  t.equal((await ask('list')).status, 200)
  for (let i = 0; i < 2; i++) {
    const answer = await ask('mutate')
    t.equal(answer.status, 500)
    t.match(answer.body, /Cannot add property 1, object is not extensible; .*change a copy/)
  }
  t.same(JSON.parse((await ask('get')).body), ['one'])
})

t.test(
  'a turn that throws, however it does, leaves all as it was, and the others alone',
  async (t) => {
    const hosts = await Hosts.start(t, ['n1'])
    const n1 = hosts.get('n1')
    const other = { class: 'counter', key: 'other' }
    await hosts.create(id, 'n1')
    await hosts.create(other, 'n1')
    const ask = (query: string) => n1.request(id, { path: `/?${query}` })
    const link = await LinkClient.connect(n1.port)
    t.teardown(() => link.close())
    link.open('s1', formatWorkerId(id))
    await link.next('accept', 's1')
    t.equal((await ask('do=nested')).status, 200)
    const seq = (await hosts.store.owner(id))?.seq
    for (const [how, words] of [
      ['', 'as asked'],
      ['&later', 'as asked'],
      [`&large=${2 ** 53}`, 'Invalid typed array length'],
      ['&deep', 'Maximum call stack size exceeded'],
    ] as const) {
      const answer = await ask(`do=spoil&name=half${how}`)
      t.equal(answer.status, 500, how)
      t.match(answer.body, words)
      t.equal((await ask('do=get&name=half')).body, 'null')
      t.same(JSON.parse((await ask('do=keys')).body), ['nested', 'list'])
      t.same(JSON.parse((await ask('do=get&name=nested')).body), { deep: [1] })
      t.equal((await ask('do=alarm')).body, 'null')
      t.equal((await n1.request(other, { method: 'POST' })).status, 200)
    }
    t.equal((await hosts.store.owner(id))?.seq, seq, 'nothing was committed')
    link.send({ type: 'message', sid: 's1', n: 1, data: 'hello' })
    t.match(await link.next('message', 's1'), { data: '1:hello' }, 'nothing was sent before')
  },
)
