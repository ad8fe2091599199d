import t from 'tap'
import { request } from 'undici'
import { Board } from '../../src/front/board.ts'
import { probe } from '../../src/front/listen.ts'
import { addStats, countAnswer, countLatency, emptyStats } from '../../src/front/metrics.ts'
import { RateTable } from '../../src/front/rate-table.ts'
import type { ShardConfig } from '../../src/front/shard-ipc.ts'
import { Shards } from '../../src/front/shards.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../helpers/until.ts'
import { log, testConfig } from './stubs.ts'

async function shardConfig(): Promise<ShardConfig> {
  const config = testConfig({ routes: [{ path: '/hello', task: '/w/hello.ts' }] })
  const address = {
    name: '127.0.0.1:0',
    host: '127.0.0.1',
    port: 0,
    unixMode: undefined,
    proxies: undefined,
    sni: undefined,
    sendProxy: undefined,
    upstreams: undefined,
    worker: undefined,
    tls: undefined,
    http2: false,
  }
  return {
    listeners: await probe([address]),
    routes: config.routes,
    upstreamTls: new Map(),
    bodyLimits: {
      task: { bytesMax: 1_000, setting: 'pool.bodyBytesMax' },
      worker: { bytesMax: 1_000, setting: 'host.bodyBytesMax' },
    },
    front: config.front,
    accessLog: undefined,
    messageBytesMax: 1_000,
    balance: config.balance,
    outliers: config.outliers,
    token: '',
    logLevel: 'silent',
  }
}

function make(config: ShardConfig, onRestart: (shard: number) => void = () => {}): Shards {
  return new Shards(
    { log, world: realWorld, onMessage: () => {}, onRestart },
    {
      count: 2,
      inherited: [],
      setup: () => ({
        front: 'f1',
        board: new Board().buffer,
        rates: new RateTable().buffer,
        nodes: [],
        unhealthy: [],
        draining: [],
        config,
      }),
    },
  )
}

t.test('crashed shards are started again, and what they counted is kept', async (t) => {
  const config = await shardConfig()
  const restarted: number[] = []
  const shards = make(config, (shard) => restarted.push(shard))
  await shards.start()
  t.teardown(() => shards.stop(0))
  const url = `http://127.0.0.1:${config.listeners[0]!.port}/nowhere`
  for (let i = 0; i < 5; i++) t.equal((await request(url)).statusCode, 404)
  await until('it is reported', () => shards.stats().requests.none['4xx'] === 5)
  // A message that no main thread sends: whatever throws in a shard ends it.
  shards.broadcast({ type: 'nodes', nodes: null as never })
  await until('both are back', () => restarted.length === 2 && shards.stats().shards === 2)
  t.equal(shards.stats().restarts, 2)
  t.equal(shards.stats().requests.none['4xx'], 5)
  t.equal(shards.stats().connections, 0, 'clients of a dead shard are gone')
  await until('they serve', () =>
    request(url).then(
      ({ statusCode }) => statusCode === 404,
      () => false,
    ),
  )
})

t.test('when a shard cannot start, none is left', async (t) => {
  const config = await shardConfig()
  const routes = [{ path: '/x', worker: '/w/x.ts' }]
  const shards = make({ ...config, routes })
  await t.rejects(shards.start(), { code: 'ARIES_E_CONFIG' })
  t.equal(shards.stats().shards, 0)
})

t.test('a change that a shard refuses is applied by none', async (t) => {
  const config = await shardConfig()
  const shards = make(config)
  await shards.start()
  t.teardown(() => shards.stop(0))
  const bad = { ...config, routes: [{ path: '/x', worker: '/w/x.ts' }] }
  await t.rejects(shards.configure(bad, config), { code: 'ARIES_E_CONFIG' })
  const answer = await request(`http://127.0.0.1:${config.listeners[0]!.port}/hello`)
  t.equal(answer.statusCode, 503, 'the old route is there, only no node')
})

t.test('shards are added up: counters of all, gauges of the living', async (t) => {
  const one = { ...emptyStats(), retries: 2, connections: 3, bytesIn: 10 }
  countAnswer(one, 'task', 200)
  countAnswer(one, 'worker', 503)
  countAnswer(one, 'worker', 0)
  countLatency(one, 1)
  countLatency(one, 1.1)
  countLatency(one, 60_000)
  const sum = emptyStats()
  addStats(sum, one)
  addStats(sum, one, true)
  t.match(sum, { retries: 4, connections: 3, bytesIn: 20, requests: { task: { '2xx': 2 } } })
  t.equal(sum.requests.worker['5xx'], 2)
  t.same([sum.latency.counts[0], sum.latency.counts[1], sum.latency.counts.at(-1)], [2, 2, 2])
  t.equal(
    sum.latency.counts.reduce((a, b) => a + b),
    6,
  )
})
