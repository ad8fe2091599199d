import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import t from 'tap'
import { AriesError, errorBody } from '../../src/errors.ts'
import { aries, ariesHere } from './aries.ts'
import { type Answers, CLUSTER, DETAIL, MOVE, STATUS, stubAdmin, WORKERS } from './stub-admin.ts'

async function asked(
  t: import('tap').Test,
  answers: Answers,
  args: string[],
  run: typeof ariesHere = ariesHere,
) {
  const stub = await stubAdmin(answers)
  t.teardown(() => stub.close())
  const outcome = await run([...args, '--admin', stub.address])
  return { ...outcome, requests: stub.asked }
}

t.test('status shows members, processes, routes and notes', async (t) => {
  const answers = { 'GET /api/cluster': CLUSTER, 'GET /api/status': STATUS }
  const { code, stdout, stderr } = await asked(t, answers, ['status'], aries)
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(
    stdout,
    `cluster demo, map epoch 7: 4 members, 1 ready

MEMBER  ROLE   STATE            READY  VERSION  UP     PROCESSES
f1      front  alive            yes    0.1.0    2h 5m  front 100
n1      node   alive            no     0.1.0    30s    node 101, pool 102 at 40001, host 103 at 40002 (2 restarts)
n2      node   alive, draining  -      -        -      -
n3      node   unreachable      -      -        -      -

ROUTE      KIND       TARGETS
/hello     task       hello
/legacy/*  upstreams  http://127.0.0.1:9001

NOTES
  the store cannot be reached
  n1: draining?[31m
`,
    'also without colours and without what steers a terminal',
  )
})

t.test('nodes shows loads and costs', async (t) => {
  const { code, stdout } = await asked(t, { 'GET /api/cluster': CLUSTER }, ['nodes'])
  t.equal(code, 0)
  const lines = stdout.split('\n')
  t.match(lines[0], /^MEMBER +ROLE +STATE +ADMIN +INCARNATION +SPEED +CPU +MEMORY/)
  t.match(lines[1], /^f1 +front +alive +127\.0\.0\.1:7301 +- +- +- +- +- +- +- +- +-$/)
  t.match(
    lines[2],
    /^n1 +node .* 4 +1\.50 +0\.50\/2\.0 +200 MB\/2\.0 GB +3 +12 +2 +3\.123 +120 ms ago$/,
  )
  t.match(lines[4], /^n3 +node +unreachable/)
})

const MEMBERS = { 'GET /api/cluster': CLUSTER }

t.test(
  'ps shows the workers as they are answered, with keys as a command takes them',
  async (t) => {
    const { code, stdout } = await asked(t, { 'GET /api/workers': WORKERS, ...MEMBERS }, ['ps'])
    t.equal(code, 0)
    t.equal(
      stdout,
      `WORKER                NODE  EPOCH    STATE  REQ/S   CPU  AGE  SESSIONS  NOTE
counter/a%20b%2F%C3%A4  n2        3  12.3 MB   12.3  5.0%   1m         2
counter/b               n1        3   1.2 kB   12.3  5.0%   1m         2  a turn has run for 3 s
`.replace('WORKER                NODE', 'WORKER                  NODE'),
    )
  },
)

t.test('ps shows as many as wanted, and how many there are more', async (t) => {
  const answers = { 'GET /api/workers': WORKERS, ...MEMBERS }
  const args = ['ps', '--limit', '2', '--after', 'counter/a']
  const { stdout, requests } = await asked(t, answers, args)
  t.match(stdout, /\n… 6 more workers \(--limit, --after\)\n$/)
  const asking = requests.find(({ url }) => url.startsWith('/api/workers'))
  t.equal(asking?.url, '/api/workers?limit=2&order=name&after=counter%2Fa')
  t.equal((await ariesHere(['ps', '--limit', '0'])).code, 2)
})

t.test('ps says so when there is none', async (t) => {
  const { stdout } = await asked(t, { 'GET /api/workers': [], ...MEMBERS }, ['ps'])
  t.match(stdout, /no worker is open/)
})

t.test('move asks for the move and prints all of it', async (t) => {
  const { code, stdout, requests } = await asked(
    t,
    { 'POST /api/workers/{class}/{key}/move': MOVE },
    ['move', 'counter/a%20b', 'n3'],
  )
  t.equal(code, 0)
  t.strictSame(requests, [
    {
      method: 'POST',
      url: '/api/workers/counter/a%20b/move',
      contentType: 'application/json',
      body: '{"to":"n3"}',
    },
  ])
  t.equal(
    stdout,
    `counter/a moved from n1 to n3
  epoch    4 to 5
  carried  1.0 MB, 50 sessions, 1 waiting request
  phases   prepare 1.23 ms, copy 42 ms, fence 0.50 ms, commit 1.10 ms, switch 0.25 ms
  stall    1.85 ms, of it 1.10 ms for the store
`,
  )
})

t.test('explain shows the candidates with their costs', async (t) => {
  const answers = { 'GET /api/workers/{class}/{key}': DETAIL }
  const { code, stdout } = await asked(t, answers, ['explain', 'counter/a'])
  t.equal(code, 0)
  t.match(stdout, /^counter\/a lives on n1 under epoch 3\n/)
  t.match(stdout, /last decision: create, by n2, 1m ago; chosen: n1\n/)
  t.match(stdout, /\nn1 +3\.200 +0\.0123 +50 ms old +chosen\n/)
  t.match(stdout, /\nn3 +0\.000 +0\.0000 +9\.0 s old +draining\n/)
  t.match(stdout, /\nbefore: rebalance, by n3, 2h 0m ago; chosen: n2\n/)
  t.match(stdout, /\nit did not come to pass: node n2 has no memory\n/)
  t.match(stdout, /\nn2 +3\.000 +0\.1000 +0\.7321 +5\.00 ms old +chosen\n/)
  t.match(stdout, /\nit talks to room\/x on n2: 12\.3\/s, 5\.0 kB\/s\n/)
  t.match(stdout, /\nit talks to fronts on 10\.0\.0\.9: 3\.0\/s, 100 B\/s\n/)
  t.match(stdout, /last move\ncounter\/a moved from n1 to n3/)
})

t.test('explain without a decision says so', async (t) => {
  const { decision: _, earlier: __, lastMove: ___, ...detail } = DETAIL
  const answers = { 'GET /api/workers/{class}/{key}': detail }
  const { stdout } = await asked(t, answers, ['explain', 'counter/a'])
  t.match(stdout, /no decision about it is remembered/)
})

t.test('drain shows how many are left while it waits, and what stayed', async (t) => {
  let polled = 0
  const report = {
    node: 'n1',
    moved: 7,
    left: [{ worker: 'room/a', why: 'no room elsewhere' }],
    jobs: ['a1b2c3'],
    ms: 1234,
  }
  const done = Promise.withResolvers<void>()
  const answers: Answers = {
    'GET /api/cluster': async () => {
      if (++polled === 2) done.resolve()
      const left = polled === 1 ? 1 : 0
      const members = CLUSTER.members.map((each) => ({ ...each, workers: left }))
      return { ...CLUSTER, members }
    },
    'POST /api/nodes/{id}/drain': async () => {
      await done.promise
      return report
    },
  }
  const { code, stdout, stderr, requests } = await asked(t, answers, ['drain', 'n1'])
  t.equal(code, 1, 'a worker had to stay')
  t.match(
    stdout,
    /^n1 is drained: 7 workers moved in 1\.2 s\n {2}room\/a stayed: no room elsewhere\n {2}job a1b2c3 still runs there\n$/,
  )
  t.match(stderr, /^n1: 1 worker left\n/)
  const post = requests.find(({ method }) => method === 'POST')
  t.equal(post?.contentType, 'application/json')
})

t.test('drain, undrain and cordon end with 0 when all is well', async (t) => {
  const report = { node: 'n1', moved: 1, left: [], jobs: [], ms: 10 }
  const drained = await asked(t, { 'POST /api/nodes/{id}/drain': report }, ['drain', 'n1'])
  t.equal(drained.code, 0)
  t.match(drained.stdout, /can be stopped/)
  for (const name of ['undrain', 'cordon'] as const) {
    const { code, stdout, requests } = await asked(t, { [`POST /api/nodes/{id}/${name}`]: {} }, [
      name,
      'n2',
    ])
    t.equal(code, 0)
    t.match(stdout, /^n2 /)
    t.equal(requests[0]?.url, `/api/nodes/n2/${name}`)
  }
})

t.test('--json prints what was answered', async (t) => {
  const answers: Answers = {
    'GET /api/cluster': CLUSTER,
    'GET /api/status': STATUS,
    'GET /api/workers': WORKERS,
    'GET /api/workers/{class}/{key}': DETAIL,
    'POST /api/workers/{class}/{key}/move': MOVE,
    'POST /api/nodes/{id}/cordon': {},
  }
  const stub = await stubAdmin(answers)
  t.teardown(() => stub.close())
  const json = async (...args: string[]): Promise<unknown> => {
    const { code, stdout } = await ariesHere([...args, '--json'], {
      env: { ARIES_ADMIN: stub.address },
    })
    t.equal(code, 0, args.join(' '))
    return JSON.parse(stdout)
  }
  t.strictSame(await json('status'), { ...CLUSTER, status: STATUS })
  t.strictSame(await json('nodes'), CLUSTER.members)
  t.strictSame(await json('ps'), WORKERS)
  t.strictSame(await json('explain', 'counter/a'), DETAIL)
  t.strictSame(await json('move', 'counter/a', 'n3'), MOVE)
  t.strictSame(await json('cordon', 'n1'), {})
})

t.test('an error of the cluster ends with 1, its message and what to do', async (t) => {
  const error = errorBody('ARIES_E_WORKER_UNKNOWN', 'there is no worker counter/zzz')
  const answers = { 'POST /api/workers/{class}/{key}/move': error }
  const { code, stdout, stderr } = await asked(t, answers, ['move', 'counter/zzz', 'n1'])
  t.equal(code, 1)
  t.equal(stdout, '')
  t.equal(stderr, `aries: there is no worker counter/zzz\n  ${error.error.todo}\n`)
  const json = await asked(t, answers, ['move', 'counter/zzz', 'n1', '--json'])
  t.equal(json.code, 1)
  t.strictSame(JSON.parse(json.stderr), error)
})

t.test('what is no worker is refused before anything is asked', async (t) => {
  for (const name of ['counter', '/a', 'counter/', '1x/a', 'counter/%zz']) {
    const { code, stderr, requests } = await asked(t, {}, ['explain', name])
    t.equal(code, 2)
    t.match(stderr, /is not <class>\/<key>/)
    t.strictSame(requests, [])
  }
})

t.test('nobody there, or somebody else', async (t) => {
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .resume()
      .end('SSH-2.0\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const other = await ariesHere(['ps', '--admin', `127.0.0.1:${port}`])
  t.equal(other.code, 1)
  t.match(other.stderr, /no front or node answers at 127\.0\.0\.1:\d+/)
  await new Promise((resolve) => server.close(resolve))
  const nobody = await ariesHere(['ps', '--admin', `127.0.0.1:${port}`])
  t.equal(nobody.code, 1)
  t.match(nobody.stderr, /nobody listens there\n {2}Start the cluster with `aries dev`/)
  t.notMatch(nobody.stderr, / at .*\.ts:/, 'no stack')
  const web = await asked(t, {}, ['ps'])
  t.equal(web.code, 1)
  t.match(web.stderr, /is not the admin API of Aries \(status 404\)/)
})

t.test('ARIES_LOG=debug adds the stack', async (t) => {
  const { stderr } = await ariesHere(['check', '--config', 'nowhere.yaml'], {
    env: { ARIES_LOG: 'debug' },
  })
  t.match(stderr, /AriesError: .*\n {4}at /)
  t.ok(new AriesError('ARIES_E_INTERNAL', 'x').stack)
})
