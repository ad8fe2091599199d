import { connect } from 'node:net'
import t from 'tap'
import { request } from 'undici'
import { addTable, Metrics } from '../../src/admin/metrics.ts'
import type { Front } from '../../src/front/front.ts'
import {
  BOUNDS_MS,
  bucketOf,
  METERED_ROUTES_MAX,
  Meters,
  OTHERS,
  ROUTE,
  TARGET,
  TrafficSum,
} from '../../src/front/meters.ts'
import { TRAFFIC_METRICS } from '../../src/front/traffic-metrics.ts'
import { UPSTREAM_METRICS, WEIGHT_METRICS } from '../../src/front/upstream-metrics.ts'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, type StubServer, serve, testConfig } from './stubs.ts'

const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`
const isCheck = (agent: string | undefined): boolean => agent === 'aries-health'

/** What a scrape of the front says of one series. */
function scrape(front: Front) {
  const metrics = new Metrics({})
  addTable(metrics, TRAFFIC_METRICS, () => front.traffic())
  addTable(metrics, UPSTREAM_METRICS, () => front.states.list())
  addTable(metrics, WEIGHT_METRICS, () => front.states.weights())
  return async (series: string): Promise<number | undefined> => {
    const line = (await metrics.text()).split('\n').find((each) => each.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  }
}

t.test('routes and targets have figures of their own', async (t) => {
  const held: (() => void)[] = []
  const good = await serve(t, (req, res) => {
    if (isCheck(req.headers['user-agent'])) res.end()
    else if (req.url === '/slow') held.push(() => res.end('slow'))
    else if (req.url === '/missing') res.writeHead(404).end()
    else req.on('data', () => {}).on('end', () => res.end('good'))
  })
  const bad = await serve(t, (req, res) => {
    if (isCheck(req.headers['user-agent'])) res.end()
    else req.socket.destroy()
  })
  const [goodUrl, badUrl] = [urlOf(good), urlOf(bad)]
  const { front, url, port } = await startFront(
    t,
    new StubMembership(),
    testConfig({
      routes: [
        { path: '/slow', upstreams: [{ url: goodUrl, inFlightMax: 1, weight: 3 }] },
        { path: '/gone', respond: { status: 410 } },
        { path: '/*', upstreams: [badUrl, { url: goodUrl, priority: 1 }] },
      ],
      outliers: { consecutive5xx: 0, consecutiveGateway: 0 },
    }),
  )
  const read = scrape(front)
  const ofRoute = (name: string, labels = 'route="/*"') =>
    read(`aries_front_route_${name}{${labels}}`)
  const ofTarget = (name: string, target: string, more = '') =>
    read(`aries_front_target_${name}{target="${target}"${more}}`)

  // The first upstream breaks off, the second answers.
  t.equal(await (await request(`${url}/a`, { method: 'PUT', body: '12345' })).body.text(), 'good')
  t.equal((await request(`${url}/missing`)).statusCode, 404)
  t.equal((await request(`${url}/gone`)).statusCode, 410)
  await until(
    'they are counted',
    async () => (await ofRoute('requests_total', 'route="/gone",code="4xx"')) === 1,
  )
  t.equal(await ofRoute('requests_total', 'route="/*",code="2xx"'), 1)
  t.equal(await ofRoute('requests_total', 'route="/*",code="4xx"'), 1)
  t.equal(await ofRoute('bytes_total', 'route="/*",direction="in"'), 5)
  t.equal(await ofRoute('bytes_total', 'route="/*",direction="out"'), 4)
  t.equal(await ofRoute('retries_total'), 2)
  t.equal(await ofRoute('redispatches_total'), 2)
  t.equal(await ofRoute('duration_seconds_count'), 2)
  t.equal(await ofRoute('duration_seconds_bucket', 'route="/*",le="+Inf"'), 2)
  t.equal(await ofTarget('attempts_total', badUrl), 2)
  t.equal(await ofTarget('response_errors_total', badUrl), 2)
  t.equal(await ofTarget('responses_total', badUrl, ',code="2xx"'), 0)
  t.equal(await ofTarget('responses_total', goodUrl, ',code="2xx"'), 1)
  t.equal(await ofTarget('responses_total', goodUrl, ',code="4xx"'), 1)
  t.equal(await ofTarget('response_seconds_count', goodUrl), 2)
  t.ok(((await ofTarget('response_seconds_sum', goodUrl)) ?? 0) > 0)
  t.equal(await ofTarget('bytes_total', goodUrl, ',direction="out"'), 5)
  t.equal(await ofTarget('bytes_total', goodUrl, ',direction="in"'), 4)
  t.equal(await ofTarget('connect_seconds_count', goodUrl), 1, 'the connection is kept')
  t.equal(await ofTarget('connections', goodUrl), 1)
  t.equal(await ofTarget('requests_in_flight', goodUrl), 0)
  t.equal(
    await read(`aries_front_upstream_weight{route="/slow",upstream="${goodUrl}",priority="0"}`),
    3,
  )
  t.equal(await read(`aries_front_upstream_outs_total{upstream="${goodUrl}"}`), 0)

  // One is there, one waits, and one leaves while it waits.
  const answers = [request(`${url}/slow`), request(`${url}/slow`)]
  await until('one waits', async () => (await ofRoute('requests_queued', 'route="/slow"')) === 1)
  t.equal(await ofRoute('requests_in_flight', 'route="/slow"'), 2)
  t.equal(await ofTarget('requests_in_flight', goodUrl), 1)
  const leaver = connect(port, '127.0.0.1')
  leaver.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('two wait', async () => (await ofRoute('requests_queued', 'route="/slow"')) === 2)
  leaver.resetAndDestroy()
  held[0]!()
  await until('the other is there', () => held.length === 2)
  held[1]!()
  for (const answer of answers) t.equal(await (await answer).body.text(), 'slow')
  await until(
    'it is over',
    async () => (await ofRoute('requests_in_flight', 'route="/slow"')) === 0,
  )
  t.equal(await ofRoute('requests_queued', 'route="/slow"'), 0)
  t.equal(await ofRoute('queue_seconds_count', 'route="/slow"'), 2)
  t.equal(await ofRoute('aborts_total', 'route="/slow",by="client"'), 1)
  t.equal(await ofRoute('requests_total', 'route="/slow",code="2xx"'), 2)

  await good.kill()
  t.equal((await request(`${url}/slow`)).statusCode, 502)
  await until('it is told', async () => (await ofTarget('connect_errors_total', goodUrl)) === 1)
  await until(
    'it is out',
    async () => (await read(`aries_front_upstream_outs_total{upstream="${goodUrl}"}`)) === 1,
  )

  await front.setConfig(testConfig({ routes: [{ path: '/*', upstreams: [badUrl] }] }))
  await until(
    'a route that is gone has no figures',
    async () => (await ofRoute('retries_total', 'route="/slow"')) === undefined,
  )
  t.equal(await ofTarget('attempts_total', goodUrl), undefined)
  t.equal(await ofRoute('redispatches_total'), 2, 'one that stays keeps its own')
})

t.test('a bucket takes what is at most its bound', async (t) => {
  for (const [i, bound] of BOUNDS_MS.entries()) {
    t.equal(bucketOf(bound), i)
    t.equal(bucketOf(bound * 1.01), i + 1)
  }
  t.equal(bucketOf(0), 0)
  t.equal(bucketOf(1e9), BOUNDS_MS.length)
})

t.test('shards are added up; those beyond the limit share a row', async (t) => {
  const meters = new Meters()
  const names = Array.from({ length: METERED_ROUTES_MAX + 2 }, (_, i) => `/${i}`)
  for (const name of names) meters.route(name).began()
  meters.target('n1').came()
  meters.target('n1').attempted()
  const sum = new TrafficSum()
  sum.add(meters.rows())
  sum.add(meters.rows())
  const ended = new TrafficSum()
  ended.add(meters.rows(), true)
  sum.addEnded(ended)
  t.equal(sum.routes.size, METERED_ROUTES_MAX + 1)
  t.equal(sum.routes.get('/0')![ROUTE.inFlight], 2, 'nothing is in flight in one that ended')
  t.equal(sum.routes.get(OTHERS)![ROUTE.inFlight], 4)
  t.equal(sum.targets.get('n1')![TARGET.attempts], 3)
  meters.keepRoutes(new Set(['/1']))
  meters.forgetTarget('n1')
  t.same(meters.rows().routes.names, ['/1', OTHERS])
  t.same(meters.rows().targets.names, [])
})
