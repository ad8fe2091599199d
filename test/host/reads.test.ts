import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { classesOf } from '../helpers/host-process.ts'
import { LinkClient } from '../helpers/session-client.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const id = { class: 'library', key: 'a' }
const messageOf = (body: string): string =>
  (JSON.parse(body) as { error: { message: string } }).error.message

t.test('reads of one worker', async (t) => {
  const limits = { requestTimeoutMs: 20_000 }
  const classOptions = { library: { readsMax: 3 } }
  const hosts = await Hosts.start(t, ['n1'], { limits, classOptions })
  const n1 = hosts.get('n1')
  await hosts.create(id, 'n1')
  const ask = (query: string, method = 'GET') => n1.request(id, { path: `/?${query}`, method })
  /** Events of one case, and a file to begin. */
  const watch = (folder: string) => {
    const [log, gate] = [join(folder, 'log'), join(folder, 'gate')]
    writeFileSync(log, '')
    return {
      events: (): string[] => readFileSync(log, 'utf8').trim().split('\n'),
      ask: (name: string, method: string, query = '') =>
        ask(`log=${log}&name=${name}&${query}`, method),
      held: `until=${gate}`,
      open: (): void => writeFileSync(gate, ''),
    }
  }

  t.test('run at the same time, GET and HEAD', async (t) => {
    const answers = await Promise.all([
      ask('do=together&count=3'),
      ask('do=together&count=3', 'HEAD'),
      ask('do=together&count=3'),
    ])
    t.same(
      answers.map(({ status }) => status),
      [200, 200, 200],
    )
  })

  t.test('never more than readsMax; a writer waits for them, reads behind it wait', async (t) => {
    const { events, ask, held, open } = watch(t.testdir())
    const first = ['r1', 'r2', 'r3'].map((name) => ask(name, 'GET', held))
    await until('three reads run', () => events().length === 3)
    const fourth = ask('r4', 'GET')
    await until('the fourth waits', () => n1.figures.get('library/a')?.queued === 1)
    const writer = ask('w', 'POST', 'do=add&book=Emma')
    await until('the writer waits', () => n1.figures.get('library/a')?.queued === 2)
    const last = ask('r5', 'GET')
    await until('the read behind it waits', () => n1.figures.get('library/a')?.queued === 3)
    t.equal(events().length, 3)
    open()
    t.same(JSON.parse((await last).body), ['Emma'])
    t.same(JSON.parse((await fourth).body), [], 'it came before the writer')
    await Promise.all([...first, writer])
    const begun = events().filter((event) => event.startsWith('begin'))
    t.same(begun.slice(3), ['begin r4', 'begin w', 'begin r5'])
    const at = (event: string): number => events().indexOf(event)
    for (const name of ['r1', 'r2', 'r3', 'r4']) t.ok(at(`end ${name}`) < at('begin w'), name)
    t.ok(at('end w') < at('begin r5'))
  })

  t.test('change nothing and send nothing; others still do', async (t) => {
    const link = await LinkClient.connect(n1.port)
    t.teardown(() => link.close())
    link.open('s1', 'library/a')
    await link.next('accept', 's1')
    for (const [what, words] of [
      ['add&book=no', /state "books" changed in a read.*`readsMax`/],
      ['drop', /state "books" changed in a read/],
      ['alarm', /the alarm changed in a read/],
      ['send', /`readsMax`.*GET and HEAD send no messages/],
    ] as const) {
      const answer = await ask(`do=${what}`)
      t.equal(answer.status, 500, what)
      t.match(messageOf(answer.body), words)
      t.same(JSON.parse((await ask('')).body), ['Emma'])
    }
    t.equal((await ask('do=send', 'POST')).status, 200)
    t.match(await link.next('message', 's1'), { data: 'from a read' })
    t.equal(link.all('message', 's1').length, 1)
    t.equal((await ask('do=alarm', 'POST')).status, 200)
    t.equal(
      (await n1.request(id, { path: '/?do=add&book=Dune', headers: { 'idempotency-key': 'k' } }))
        .status,
      200,
      'a GET with an Idempotency-Key keeps its reply, so it runs alone',
    )
    t.same(JSON.parse((await ask('')).body), ['Emma', 'Dune'])
  })

  t.test('one that throws leaves the values whole, also for those beside it', async (t) => {
    const { events, ask: slow, held, open } = watch(t.testdir())
    const beside = slow('r', 'GET', held)
    await until('it runs', () => events().length === 1)
    t.equal((await ask('do=spoil')).status, 500)
    open()
    t.same(JSON.parse((await beside).body), ['Emma', 'Dune'])
    t.same(JSON.parse((await ask('')).body), ['Emma', 'Dune'])
  })

  t.test('one that takes too long costs itself alone', async (t) => {
    const { events, ask: slow, held, open } = watch(t.testdir())
    const hung = ask('do=hang')
    const begunMs = performance.now()
    await until('it is older than the other', () => performance.now() - begunMs > 2_000)
    const beside = slow('r', 'GET', held)
    await until('the other runs', () => events().length === 1)
    const limits = { requestTimeoutMs: 1_900 }
    n1.send({ type: 'declare', classes: classesOf({ limits, classOptions }) })
    t.equal((await hung).status, 504)
    const writer = ask('do=add&book=Ulysses', 'POST')
    open()
    t.same(JSON.parse((await beside).body), ['Emma', 'Dune'])
    t.equal((await writer).status, 200)
    t.same(JSON.parse((await ask('')).body), ['Emma', 'Dune', 'Ulysses'])
  })

  t.test('one at a time by default, and then they may change things', async (t) => {
    n1.send({ type: 'declare', classes: classesOf({ limits }) })
    await until(
      'the options are there',
      async () => (await ask('do=add&book=Middlemarch')).status === 200,
    )
    const { events, ask: slow, held, open } = watch(t.testdir())
    const [first, second] = [slow('r1', 'GET', held), slow('r2', 'GET', held)]
    await until('the second waits', () => n1.figures.get('library/a')?.queued === 1)
    t.equal(events().length, 1)
    open()
    await Promise.all([first, second])
    t.same(JSON.parse((await ask('')).body).at(-1), 'Middlemarch')
  })
})

t.test('reads go on while their worker moves; the fence waits for those that run', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'], {
    classOptions: { library: { readsMax: 4 } },
    move: { turnBudgetMs: 300 },
  })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  await hosts.create(id, 'n1')
  const gate = join(t.testdir(), 'gate')
  const held = [1, 2].map(() => n1.request(id, { path: `/?until=${gate}` }))
  await until('two reads run', () => (n1.stats?.requests ?? 0) === 2)
  await t.rejects(n1.move(id, n2.address), { message: /turn/ }, 'over the budget: put off')
  t.equal((await n1.request(id, {})).status, 200, 'a read goes beside them')
  const moving = n1.move(id, n2.address)
  const behind = n1.request(id, {})
  writeFileSync(gate, '')
  t.match(await moving, { from: 'n1', to: 'n2' })
  for (const answer of [...(await Promise.all(held)), await behind]) t.equal(answer.status, 200)
  t.equal((await n2.request(id, {})).status, 200)
})

t.test('a read of a host that nobody vouches for is confirmed by the store', async (t) => {
  const classOptions = { library: { readsMax: 4 } }
  const hosts = await Hosts.start(t, ['n1', 'n2'], { classOptions })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  await hosts.create(id, 'n1')
  t.equal((await n1.request(id, {})).status, 200)
  t.equal((await hosts.store.owner(id))?.seq, 0)
  n1.send({ type: 'vouch', atMs: 0 })
  await until('reads pass the store', async () => {
    await n1.request(id, {})
    return (await hosts.store.owner(id))?.seq !== 0
  })
  await hosts.store.evict('n1', await hosts.incarnation('n1'))
  await hosts.takeOver(id, 1, 'n2')
  t.equal((await n1.request(id, {})).status, 421, 'no old news')
  t.equal((await n2.request(id, {})).status, 200)
})
