import { connect } from 'node:net'
import t from 'tap'
import { request } from 'undici'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { node, StubMembership, type StubServer, serve, type Teardown, testConfig } from './stubs.ts'

const NEVER_CHECKED = { intervalMs: 60_000 }
const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`

/** A front with one route to these servers. */
function start(t: Teardown, upstreams: StubServer[], balance: object = {}) {
  const routes = [{ path: '/*', upstreams: upstreams.map(urlOf) }]
  const config = testConfig({ routes, balance, health: NEVER_CHECKED })
  return startFront(t, new StubMembership(), config)
}

/** Answers `status` at once; counts what it was asked, but for health checks. */
async function answering(t: Teardown, status: number, headers: Record<string, string> = {}) {
  const counted = { asked: 0 }
  const server = await serve(t, (req, res) => {
    if (req.headers['user-agent'] !== 'aries-health') counted.asked++
    req.resume()
    res.writeHead(req.headers['user-agent'] === 'aries-health' ? 200 : status, headers)
    res.end(String(status))
  })
  return Object.assign(counted, { server })
}

async function statuses(url: string, count: number, method: 'GET' | 'POST' = 'GET') {
  const got: number[] = []
  for (let i = 0; i < count; i++) {
    const { statusCode, body } = await request(`${url}/x`, { method })
    await body.dump()
    got.push(statusCode)
  }
  return got
}

t.test('one that fails at once: safe requests go to the other, and it repels', async (t) => {
  const [bad, good] = [await answering(t, 503), await answering(t, 200)]
  const { url, front } = await start(t, [bad.server, good.server])
  t.same(new Set(await statuses(url, 200)), new Set([200]))
  t.ok(bad.asked > 0 && bad.asked <= 10, `it was asked ${bad.asked} times of 200`)
  await until('the retries are counted', () => front.stats().retries === bad.asked)
})

t.test('what is not safe to repeat is not sent again', async (t) => {
  const [bad, good] = [await answering(t, 503), await answering(t, 200)]
  const { url } = await start(t, [bad.server, good.server])
  const got = await statuses(url, 50, 'POST')
  t.equal(got.filter((status) => status === 503).length, bad.asked)
  t.equal(bad.asked + good.asked, 50)
  t.ok(bad.asked <= 10, `it was asked ${bad.asked} times of 50`)
})

t.test('a 500 is an answer, and one that all give is given', async (t) => {
  const [a, b] = [await answering(t, 500), await answering(t, 503)]
  const { url } = await start(t, [a.server])
  t.same(await statuses(url, 1), [500])
  const { url: both } = await start(t, [b.server, (await answering(t, 503)).server])
  t.same(new Set(await statuses(both, 5)), new Set([503]))
})

t.test('without a budget nothing is sent again', async (t) => {
  const [bad, good] = [await answering(t, 503), await answering(t, 200)]
  const { url } = await start(t, [bad.server, good.server], { retryRatio: 0, retriesPerSecond: 0 })
  const got = await statuses(url, 50)
  t.ok(got.includes(503))
  t.equal(got.filter((status) => status === 503).length, bad.asked)
})

t.test('a pool whose queue is full: another takes the task, whatever its method', async (t) => {
  const full = await answering(t, 503, { 'aries-fault': 'ARIES_E_OVERLOADED', 'aries-load': '9/1' })
  const free = await answering(t, 200, { 'aries-load': '0/4' })
  const membership = new StubMembership([
    node('n1', {}, { poolPort: full.server.port }),
    node('n2', {}, { poolPort: free.server.port }),
  ])
  const routes = [{ path: '/*', task: '/tasks/x.ts' }]
  const { url } = await startFront(t, membership, testConfig({ routes }))
  t.same(new Set(await statuses(url, 30, 'POST')), new Set([200]))
  t.ok(full.asked > 0)
  const { headers, body } = await request(`${url}/x`)
  await body.dump()
  t.equal(headers['aries-load'], undefined, 'it stays inside')
})

t.test('full targets: requests wait, for a while and not too many', async (t) => {
  const release: (() => void)[] = []
  const slow = await serve(t, (req, res) => {
    if (req.headers['user-agent'] === 'aries-health') res.end()
    else release.push(() => res.end('done'))
  })
  const balance = { inFlightMax: 1, queueMax: 2, queueTimeoutMs: 2_500 }
  const { url, front } = await start(t, [slow], balance)
  const get = () => request(`${url}/x`)
  const first = get()
  await until('the first is there', () => release.length === 1)
  const waiting = [get(), get()]
  await until('two wait', () => front.stats().queued === 2)
  const refused = await get()
  t.equal(refused.statusCode, 503)
  t.ok(refused.headers['retry-after'])
  t.match(await refused.body.json(), { error: { code: 'ARIES_E_OVERLOADED' } })
  for (const { statusCode, body } of await Promise.all(waiting)) {
    t.equal(statusCode, 503)
    t.match(await body.json(), { error: { message: /queueTimeoutMs/ } })
  }
  const late = get()
  await until('another waits', () => front.stats().queued === 1)
  release[0]!()
  t.equal(await (await first).body.text(), 'done')
  await until('the one that waited got the place', () => release.length === 2)
  release[1]!()
  t.equal(await (await late).body.text(), 'done')
})

t.test('who goes away while it waits leaves its place', async (t) => {
  const held: (() => void)[] = []
  const slow = await serve(t, (req, res) => {
    if (req.headers['user-agent'] === 'aries-health') res.end()
    else held.push(() => res.end('done'))
  })
  // Longer than the test waits: nobody leaves because its time is up.
  const balance = { inFlightMax: 1, queueMax: 1, queueTimeoutMs: 600_000 }
  const { url, port, front } = await start(t, [slow], balance)
  const first = request(`${url}/x`)
  await until('the first is there', () => held.length === 1)
  const waits = connect(port, '127.0.0.1')
  waits.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
  await until('one waits', () => front.stats().queued === 1)
  // Who merely ends its side may still read the answer.
  waits.resetAndDestroy()
  await until('nobody waits', () => front.stats().queued === 0)
  held[0]!()
  await (await first).body.dump()
  t.equal(held.length, 1)
})

t.test('an upstream that tells its load gets what it has room for', async (t) => {
  const busy = await answering(t, 200, { 'aries-load': '40/4' })
  const idle = await answering(t, 200, { 'aries-load': '0/4' })
  const odd = await answering(t, 200, { 'aries-load': '-1/0' })
  const { url } = await start(t, [busy.server, idle.server])
  t.same(new Set(await statuses(url, 60)), new Set([200]))
  t.ok(busy.asked <= 10, `the busy one was asked ${busy.asked} times of 60`)
  const { url: other } = await start(t, [odd.server])
  t.same(await statuses(other, 1), [200])
})
