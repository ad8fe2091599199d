import t from 'tap'
import { Agent, request } from 'undici'
import { leastInFlight } from '../../src/front/balance/upstreams.ts'
import { TargetMeter } from '../../src/front/meters.ts'
import { Upstream } from '../../src/front/upstreams.ts'
import { seededRandom } from '../../src/world.ts'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { log, StubMembership, type StubServer, serve, type Teardown, testConfig } from './stubs.ts'

const HEALTH = { intervalMs: 30 }
const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`

function named(t: Teardown, name: string, port = 0): Promise<StubServer> {
  return serve(
    t,
    (req, res) => {
      req.resume().on('end', () => res.end(name))
    },
    port,
  )
}

async function texts(
  url: string,
  count: number,
  method: 'GET' | 'POST' = 'GET',
): Promise<string[]> {
  const got: string[] = []
  for (let i = 0; i < count; i++) {
    const answer = await request(`${url}/legacy/x`, { method })
    got.push(answer.statusCode === 200 ? await answer.body.text() : String(answer.statusCode))
  }
  return got
}

t.test(
  'the fewest in flight is taken, ties at random, healthy before tried before none',
  async (t) => {
    const random = seededRandom(7)
    const make = (port: number): Upstream =>
      new Upstream(
        { log, meter: new TargetMeter() },
        { url: `http://h:${port}`, host: 'h', port, scheme: 'http' },
        port,
      )
    const [a, b, c] = [make(1), make(2), make(3)]
    const all = [a, b, c]
    a.begin()
    a.begin()
    const picks = Array.from({ length: 100 }, () => leastInFlight(all, random))
    t.notOk(picks.includes(a))
    t.ok(picks.filter((one) => one === b).length > 20)
    t.ok(picks.filter((one) => one === c).length > 20)
    b.healthy = false
    for (let i = 0; i < 5; i++) c.begin()
    t.equal(leastInFlight(all, random), a)
    t.equal(leastInFlight(all, random, new Set([a])), c)
    t.equal(leastInFlight(all, random, new Set([a, c])), b, 'the unhealthy one is better than none')
    t.equal(leastInFlight(all, random, new Set(all)), undefined)
  },
)

t.test('one upstream dies: requests go to the other, and come back with it', async (t) => {
  const [a, b] = [await named(t, 'a'), await named(t, 'b')]
  const routes = [{ path: '/legacy/*', upstreams: [urlOf(a), urlOf(b)] }]
  const config = testConfig({ routes, health: HEALTH })
  const { url } = await startFront(t, new StubMembership(), config)
  t.same(new Set(await texts(url, 30)), new Set(['a', 'b']))
  await a.kill()
  t.same(new Set(await texts(url, 30, 'POST')), new Set(['b']), 'not one failed')
  await named(t, 'a', a.port)
  await until('it is used again', async () => (await texts(url, 1))[0] === 'a')
})

t.test('an upstream whose checks fail is left out; one that cannot be judged is not', async (t) => {
  let well = true
  const sick = await serve(t, (req, res) => {
    if (req.url === '/health' && !well) res.writeHead(500)
    res.end('sick')
  })
  const strange = await serve(t, (req, res) => {
    if (req.url === '/health') res.writeHead(404)
    res.end('strange')
  })
  const routes = [{ path: '/legacy/*', upstreams: [urlOf(sick), urlOf(strange)] }]
  const config = testConfig({ routes, health: { ...HEALTH, path: '/health' } })
  const { url } = await startFront(t, new StubMembership(), config)
  t.same(new Set(await texts(url, 30)), new Set(['sick', 'strange']))
  well = false
  await until('it is out', async () => !(await texts(url, 10)).includes('sick'))
  well = true
  await until('it is in', async () => (await texts(url, 10)).includes('sick'))
})

t.test('when all are unhealthy they are tried anyway', async (t) => {
  let checks = 0
  const a = await serve(t, (req, res) => {
    if (req.url === '/health') {
      checks += 1
      res.writeHead(503)
    }
    res.end('a')
  })
  const routes = [{ path: '/legacy/*', upstreams: [urlOf(a)] }]
  const config = testConfig({ routes, health: { ...HEALTH, path: '/health' } })
  const { url } = await startFront(t, new StubMembership(), config)
  await until('it was found unhealthy', () => checks > 5)
  t.same(await texts(url, 3), ['a', 'a', 'a'])
  await a.kill()
  const answer = await request(`${url}/legacy/x`)
  t.ok([502, 503].includes(answer.statusCode))
  t.match(await answer.body.json(), { error: { code: /^ARIES_E_/ } })
})

t.test('the http-proxy forwarder serves the same', async (t) => {
  const a = await serve(t, (req, res) => {
    let text = ''
    req.on('data', (chunk) => {
      text += String(chunk)
    })
    req.on('end', () => res.end(`${req.method} ${req.url} ${text}`))
  })
  const routes = [{ path: '/legacy/*', upstreams: [urlOf(a)], forwarder: 'http-proxy' }]
  const config = testConfig({ routes, health: HEALTH })
  const { url } = await startFront(t, new StubMembership(), config)
  const dispatcher = new Agent()
  t.teardown(() => dispatcher.close())
  for (let i = 0; i < 3; i++) {
    const answer = await request(`${url}/legacy/x?y=1`, { method: 'POST', body: 'hi', dispatcher })
    t.equal(await answer.body.text(), 'POST /legacy/x?y=1 hi')
  }
})

for (const forwarder of ['aries', 'http-proxy']) {
  t.test(`an upstream that leaves the routes finishes what it has (${forwarder})`, async (t) => {
    let finish: (() => void) | undefined
    const a = await serve(t, (req, res) => {
      if (req.url === '/') res.end()
      else finish = () => res.end('late')
    })
    const routes = [{ path: '/legacy/*', upstreams: [urlOf(a)], forwarder }]
    const { front, url } = await startFront(t, new StubMembership(), testConfig({ routes }))
    const answer = request(`${url}/legacy/x`)
    await until('it is at the upstream', () => finish !== undefined)
    const none = [{ path: '/hello', task: '/w/hello.ts' }]
    await front.setConfig(testConfig({ routes: none }))
    finish!()
    t.equal(await (await answer).body.text(), 'late')
    t.equal((await request(`${url}/legacy/x`)).statusCode, 404)
  })
}

t.test('a client with the cookie stays with its upstream until that dies', async (t) => {
  const [a, b] = [await named(t, 'a'), await named(t, 'b')]
  const upstreams = [
    { url: urlOf(a), weight: 50 },
    { url: urlOf(b), weight: 50 },
  ]
  const routes = [{ path: '/legacy/*', upstreams, sticky: { cookie: 'srv' } }]
  const { url } = await startFront(t, new StubMembership(), testConfig({ routes, health: HEALTH }))
  const ask = async (cookie: string) => {
    const headers = cookie === '' ? {} : { cookie }
    const answer = await request(`${url}/legacy/x`, { headers })
    const set = String(answer.headers['set-cookie'] ?? '')
    return { name: await answer.body.text(), cookie: /^[^;]*/.exec(set)![0] }
  }
  let first = await ask('')
  while (first.name !== 'a') first = await ask('')
  t.match(first.cookie, /^srv=[\w-]{16}$/)
  for (let i = 0; i < 20; i++) t.same(await ask(first.cookie), { name: 'a', cookie: '' })
  await a.kill()
  const after = await ask(first.cookie)
  t.equal(after.name, 'b')
  t.match(after.cookie, /^srv=/)
  t.not(after.cookie, first.cookie)
})
