import { connect } from 'node:net'
import t from 'tap'
import { request } from 'undici'
import { hedgeSchema } from '../../src/config/schema/route-terms.ts'
import { RouteHedging } from '../../src/front/hedges.ts'
import { RouteMeter } from '../../src/front/meters.ts'
import { emptyStats } from '../../src/front/metrics.ts'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, type StubServer, serve, type Teardown, testConfig } from './stubs.ts'

const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`

/** Two upstreams, one of which answers when it is told to; a hedged route to both. */
async function slowAndFast(t: Teardown, hedge: object, more: object = {}) {
  const held: ((status?: number) => void)[] = []
  let closed = 0
  let fastStatus = 200
  const slow = await serve(t, (req, res) => {
    if (req.headers['user-agent'] === 'aries-health') res.end()
    else {
      res.on('close', () => {
        if (!res.writableFinished) closed += 1
      })
      held.push((status = 200) => res.writeHead(status).end('slow'))
    }
  })
  const fast = await serve(t, (req, res) => {
    if (req.headers['user-agent'] !== 'aries-health') res.writeHead(fastStatus)
    res.end('fast')
  })
  const upstreams = [urlOf(slow), { url: urlOf(fast), priority: 1 }]
  const started = await startFront(
    t,
    new StubMembership(),
    testConfig({
      routes: [{ path: '/*', upstreams, hedge, ...more }],
      health: { timeoutMs: 5_000 },
    }),
  )
  return {
    ...started,
    held,
    closed: () => closed,
    fastAnswers: (status: number) => {
      fastStatus = status
    },
  }
}

t.test('a late answer: another upstream is asked too, and the first answer wins', async (t) => {
  const { url, front, held, closed } = await slowAndFast(t, { afterMs: 20 })
  t.equal(await (await request(`${url}/a`)).body.text(), 'fast')
  await until('the other attempt was given up', () => closed() === 1)
  await until('it is counted', () => front.stats().hedges.won === 1)
  t.equal(front.stats().requests.upstreams['2xx'], 1, 'as one request')
  await until('nothing is in flight', () =>
    front.states.list().every(({ inFlight }) => inFlight === 0),
  )
  const post = request(`${url}/b`, { method: 'POST', body: 'x' })
  await until('it is there', () => held.length === 2)
  held[1]!()
  t.equal(await (await post).body.text(), 'slow', 'what has a body is asked once')
  t.equal(front.stats().hedges.made, 1)
})

t.test('the second fails: the first goes on', async (t) => {
  const { url, front, held, fastAnswers } = await slowAndFast(t, { afterMs: 20 })
  fastAnswers(503)
  const answer = request(`${url}/a`)
  await until('both were asked', () => front.stats().hedges.made === 1)
  await until('the second failed', () => front.states.list()[1]!.failed === 1)
  held[0]!()
  t.equal(await (await answer).body.text(), 'slow')
  await until('it is one request', () => front.stats().requests.upstreams['2xx'] === 1)
  t.equal(front.stats().requests.upstreams['5xx'], 0)
})

t.test('the first fails while the second is under way; both fail; the client leaves', async (t) => {
  const { url, port, front, held, fastAnswers } = await slowAndFast(t, { afterMs: 20 })
  fastAnswers(500)
  t.equal((await request(`${url}/a`)).statusCode, 500, 'an answer is an answer')
  fastAnswers(503)
  const client = connect(port, '127.0.0.1')
  client.write('GET /b HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('it waits', () => held.length === 2)
  client.resetAndDestroy()
  await until('it is gone', () => front.stats().inFlight === 0)
  const both = request(`${url}/c`)
  await until('it is there', () => held.length === 3)
  await until('both were asked', () => front.stats().hedges.made >= 2)
  held[2]!(503)
  t.equal((await both).statusCode, 503)
  await until('nothing is in flight', () =>
    front.states.list().every(({ inFlight }) => inFlight === 0),
  )
})

t.test('without a budget there is no second attempt', async (t) => {
  const held: (() => void)[] = []
  const slow = () =>
    serve(t, (req, res) => {
      if (req.headers['user-agent'] === 'aries-health') res.end()
      else held.push(() => res.end('slow'))
    })
  const upstreams = [urlOf(await slow()), urlOf(await slow())]
  const { url, front } = await startFront(
    t,
    new StubMembership(),
    testConfig({
      routes: [{ path: '/*', upstreams, hedge: { afterMs: 1 } }],
      balance: { retryRatio: 0, retriesPerSecond: 1 },
    }),
  )
  const answers = Array.from({ length: 20 }, () => request(`${url}/a`))
  await until('the budget was used', () => front.stats().hedges.made >= 10)
  t.ok(front.stats().hedges.made < 20)
  for (const answer of held) answer()
  for (const { statusCode, body } of await Promise.all(answers)) {
    t.equal(statusCode, 200)
    await body.dump()
  }
})

t.test('late is what most were not', async (t) => {
  const stats = emptyStats()
  const hedging = new RouteHedging({ stats, meter: new RouteMeter() }, hedgeSchema.parse({}))
  t.equal(hedging.delayMs, Number.POSITIVE_INFINITY)
  for (let i = 0; i < 2_000; i++) hedging.answered((i * 7) % 100, false)
  t.ok(hedging.delayMs > 85 && hedging.delayMs < 105, `${hedging.delayMs}`)
  for (let i = 0; i < 3_000; i++) hedging.answered(((i * 7) % 100) / 10, false)
  t.ok(hedging.delayMs > 7 && hedging.delayMs < 11, `${hedging.delayMs}`)
})
