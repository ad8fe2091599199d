import t from 'tap'
import { request } from 'undici'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, type StubServer, serve, testConfig } from './stubs.ts'

const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`

t.test('who fails clients in a row is out for a while, though its checks are good', async (t) => {
  let ill = true
  const bad = await serve(t, (req, res) => {
    if (req.url === '/x' && ill) res.writeHead(500)
    res.end('bad')
  })
  const good = await serve(t, (_req, res) => res.end('good'))
  const routes = [
    {
      path: '/x',
      upstreams: [urlOf(bad), urlOf(good)],
      outliers: { consecutive5xx: 3, ejectionMs: 700 },
      sticky: { by: 'header:x-user', loadFactor: 100 },
    },
  ]
  const { url, front } = await startFront(t, new StubMembership(), testConfig({ routes }))
  const stateOf = () => front.states.list().find((one) => one.url === urlOf(bad))!
  let user = 0
  const ask = async () =>
    (await request(`${url}/x`, { headers: { 'x-user': `${user}` } })).body.text()
  while ((await ask()) !== 'bad') user++
  await until('it is out', async () => {
    await ask()
    return stateOf().state === 'out'
  })
  t.match(stateOf(), { why: /^3 requests failed in a row; out for/, state: 'out' })
  t.match(front.states.notes(), [/^upstream http:\/\/127.* is out: 3 requests failed in a row/])
  ill = false
  t.equal(await ask(), 'good')
  await until('it is back', () => stateOf().state === 'in')
  t.equal(await ask(), 'bad')
  await until('its requests are counted', () => stateOf().requests > 3 && stateOf().failed >= 3)
})

t.test('a route checks in its own way, and says why one is out', async (t) => {
  let status = 204
  let hosts = ''
  const one = await serve(t, (req, res) => {
    if (req.url === '/ready') {
      hosts = req.headers.host ?? ''
      res.writeHead(status)
    }
    res.end()
  })
  const health = { path: '/ready', host: 'app.example', expect: ['204'], intervalMs: 20, fall: 1 }
  const routes = [{ path: '/x', upstreams: [urlOf(one)], health }]
  const { front } = await startFront(t, new StubMembership(), testConfig({ routes }))
  await until('it was checked', () => hosts === 'app.example')
  t.match(front.states.list(), [{ state: 'in' }])
  status = 200
  await until('it is out', () => front.states.list()[0]!.state === 'out')
  t.match(front.states.list(), [{ why: 'a check was answered 200' }])
  t.same(front.states.unhealthy(), [urlOf(one)])
})

t.test(
  'a TCP check is content with a connection; one without traffic is checked less',
  async (t) => {
    let asked = 0
    const idle = await serve(t, (_req, res) => {
      asked += 1
      res.writeHead(503).end()
    })
    const busy = await serve(t, (_req, res) => {
      asked += 1
      res.end()
    })
    const routes = [
      { path: '/a', upstreams: [urlOf(idle)], health: { kind: 'tcp', intervalMs: 10 } },
      { path: '/b', upstreams: [urlOf(busy)], health: { intervalMs: 10, idleIntervalMs: 60_000 } },
    ]
    const { url, front } = await startFront(t, new StubMembership(), testConfig({ routes }))
    await until('the second was checked', () => asked > 0)
    t.equal((await request(`${url}/b`)).statusCode, 200)
    t.match(front.states.list(), [{ state: 'in' }, { state: 'in' }])
    t.equal(asked, 2, 'one check, one request')
  },
)

t.test(
  'a drained upstream keeps what it has and gets nobody new, until it is taken back',
  async (t) => {
    let finish: (() => void) | undefined
    const a = await serve(t, (req, res) => {
      if (req.url === '/slow') finish = () => res.end('a')
      else res.end('a')
    })
    const b = await serve(t, (_req, res) => res.end('b'))
    const routes = [
      {
        path: '/*',
        upstreams: [urlOf(a), { url: urlOf(b), priority: 1 }],
        sticky: { cookie: 's' },
      },
    ]
    const config = testConfig({ routes })
    const { url, front } = await startFront(t, new StubMembership(), config)
    const ask = async (cookie = '') => {
      const answer = await request(`${url}/x`, { headers: cookie === '' ? {} : { cookie } })
      return { name: await answer.body.text(), set: String(answer.headers['set-cookie'] ?? '') }
    }
    const first = await ask()
    t.equal(first.name, 'a')
    const cookie = /^[^;]*/.exec(first.set)![0]
    const slow = request(`${url}/slow`)
    await until('it is there', () => finish !== undefined)
    t.throws(() => front.states.drain('http://nobody:1', 1), { code: 'ARIES_E_UPSTREAM_UNKNOWN' })
    t.match(front.states.drain(urlOf(a), 60_000), { state: 'draining', leftMs: Number })
    await until('new clients go elsewhere', async () => (await ask()).name === 'b')
    t.same(await ask(cookie), { name: 'a', set: '' }, 'who is bound stays')
    await until('what is in flight is told', () => front.states.list()[0]!.inFlight === 1)
    await front.setConfig(config)
    t.equal((await ask()).name, 'b', 'a reload does not end it')
    front.states.drain(urlOf(a), 0)
    await until('who is bound goes elsewhere', async () => (await ask(cookie)).name === 'b')
    finish!()
    t.equal(await (await slow).body.text(), 'a')
    await until('nothing is in flight', () => front.states.list()[0]!.inFlight === 0)
    front.states.undrain(urlOf(a))
    await until('it is in use', async () => (await ask()).name === 'a')
  },
)
