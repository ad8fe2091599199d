import t, { type Test } from 'tap'
import { request } from 'undici'
import type { RequestDetail } from '../../src/front/request-detail.ts'
import { aries } from '../cli/aries.ts'
import { until } from '../helpers/until.ts'
import { startAdmin, startFront } from './start.ts'
import { StubMembership, type StubServer, serve, testConfig } from './stubs.ts'

const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`

/** A front with one upstream that breaks off and another that answers, and its admin API. */
async function explained(t: Test, front: object) {
  const good = await serve(t, (_req, res) => res.end('good'))
  const bad = await serve(t, (req, res) => {
    if (req.headers['user-agent'] === 'aries-health') res.end()
    else req.socket.destroy()
  })
  const urls = [bad, good].map(urlOf) as [string, string]
  const config = testConfig({
    routes: [{ path: '/*', upstreams: [urls[0], { url: urls[1], priority: 1 }] }],
    outliers: { consecutive5xx: 0, consecutiveGateway: 0 },
    front,
  })
  const started = await startFront(t, new StubMembership(), config)
  const admin = await startAdmin(t, { requests: started.front.requests })
  const run = (...args: string[]) => aries(['explain', ...args, '--admin', admin])
  return { ...started, config, run, bad: urls[0], good: urls[1] }
}

t.test('a request that was written down is explained', async (t) => {
  const { url, front, run, bad, good } = await explained(t, {
    requestId: true,
    explain: { sample: 1, keep: 2 },
    trustedProxies: ['127.0.0.1'],
  })
  const ask = async (path: string, id: string): Promise<void> => {
    const answer = await request(`${url}${path}`, { headers: { 'x-request-id': id } })
    t.equal(await answer.body.text(), 'good')
  }
  await ask('/a?secret=1', 'one')
  await until('it is told', () => front.requests.list().length === 1)
  const [detail] = front.requests.list('one')
  t.match(detail, {
    id: 'one',
    front: 'f1',
    shard: 0,
    method: 'GET',
    path: '/a',
    http: '1.1',
    route: '/*',
    kind: 'upstreams',
    status: 200,
    bytesOut: 4,
    attempts: [
      { why: 'first', target: bad, by: 'cost', failure: /^waiting: / },
      { why: 'retry', target: good, by: 'cost', status: 200, reused: false },
    ],
  })
  const [first, second] = detail!.attempts
  t.match(first!.candidates, [{ id: bad, compared: true, inFlight: 0 }, { id: good }])
  t.match(
    second!.candidates!.find(({ id }) => id === bad),
    { excluded: 'tried' },
  )
  const times = [
    first!.chosenMs,
    first!.connectedMs,
    first!.sentMs,
    first!.endMs,
    second!.chosenMs,
    second!.connectedMs,
    second!.sentMs,
    second!.headMs,
    second!.endMs,
    detail!.ms,
  ]
  t.same(
    times,
    times.toSorted((a, b) => a! - b!),
    'one after the other',
  )

  const shown = await run('--request', 'one')
  t.equal(shown.code, 0, shown.stderr)
  t.match(shown.stdout, /^GET \/a \(HTTP\/1\.1\) at f1, shard 0, .* ago\nrequest one\n/)
  t.match(shown.stdout, /\nroute \/\* \(upstreams\); 200 after /)
  t.match(shown.stdout, new RegExp(`\n1 first +${bad} +cost .*waiting: `))
  t.match(shown.stdout, new RegExp(`\n2 retry +${good} +cost .*\\(new\\).* 200\n`))
  t.match(shown.stdout, new RegExp(`candidates of attempt 2\n.*\n${good} .*\n${bad} .* tried`))
  const json = JSON.parse((await run('--request', 'one', '--json')).stdout) as RequestDetail[]
  t.same(json, front.requests.list('one'))

  await ask('/b', 'two')
  await until('it is told', () => front.requests.list().length === 2)
  await ask('/c', 'three')
  await until('the newest are kept', () => front.requests.list('one').length === 0)
  const list = await run('--requests')
  t.match(
    list.stdout,
    /^REQUEST +FRONT +AGE +METHOD +PATH +STATUS +TIME +ATTEMPTS +TARGET\nthree +f1 /,
  )
  t.match(list.stdout, /\ntwo +f1 .* GET +\/b +200 /)
  t.match(await run('--request', 'one'), { code: 1, stderr: /no front has written request one/ })
  t.match(await run(), { code: 2, stderr: /name a worker, or --requests/ })
})

t.test('a trusted proxy asks for it; nobody else does, and without it none is', async (t) => {
  const explain = { sample: 0, keep: 10 }
  const trusted = await explained(t, { explain, trustedProxies: ['127.0.0.1'] })
  const headers = { 'aries-explain': '1' }
  const ask = async (url: string, more = {}): Promise<void> => {
    // A connection each: the limits that it is taken with are its own for life.
    await (await request(url, { headers: more, reset: true })).body.dump()
  }
  await ask(`${trusted.url}/plain`)
  await ask(`${trusted.url}/asked`, headers)
  await until('it is told', () => trusted.front.requests.list().length > 0)
  t.match(trusted.front.requests.list(), [{ path: '/asked', id: 'f1-0-1' }])
  t.equal(trusted.front.requests.list().length, 1)

  await trusted.front.setConfig({
    ...trusted.config,
    front: { ...trusted.config.front, trustedProxies: [] },
  })
  await ask(`${trusted.url}/stranger`, headers)
  await trusted.front.setConfig({
    ...trusted.config,
    front: { ...trusted.config.front, explain: { sample: 1, keep: 5 } },
  })
  await ask(`${trusted.url}/last`)
  await until('another is told', () => trusted.front.requests.list()[0]?.path === '/last')
  const paths = trusted.front.requests.list().map(({ path }) => path)
  t.same(paths, ['/last', '/asked'], 'the stranger is not among them')
})

t.test('what has no route, no target or an end of its own', async (t) => {
  const config = testConfig({
    routes: [
      { path: '/task', task: '/t/x.ts' },
      { path: '/gone', respond: { status: 410 } },
    ],
    front: { explain: { sample: 1, keep: 10 } },
  })
  const { url, front } = await startFront(t, new StubMembership(), config)
  for (const path of ['/task', '/gone', '/nowhere']) {
    await (await request(`${url}${path}`)).body.dump()
  }
  await until('they are told', () => front.requests.list().length === 3)
  const byPath = new Map(front.requests.list().map((one) => [one.path, one]))
  t.match(byPath.get('/task'), {
    kind: 'task',
    status: 503,
    error: 'ARIES_E_NO_TARGET',
    attempts: [],
    unchosen: [],
  })
  t.match(byPath.get('/gone'), { route: '/gone', status: 410, attempts: [] })
  t.equal(byPath.get('/nowhere')!.route, undefined)
})
