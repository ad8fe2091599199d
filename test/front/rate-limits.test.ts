import t from 'tap'
import { request } from 'undici'
import { RateLimits } from '../../src/front/rate-limits.ts'
import { RateTable } from '../../src/front/rate-table.ts'
import { Shedder } from '../../src/front/shedder.ts'
import { seededRandom } from '../../src/world.ts'
import { startFront } from './start.ts'
import { requestHead, StubMembership, serve, testConfig } from './stubs.ts'

t.test('a bucket: a burst, then one for each step; full again after a pause', async (t) => {
  let nowMs = 5_000
  const table = new RateTable(undefined, () => BigInt(nowMs * 1_000))
  const rate = { requests: 10, windowMs: 1_000, burst: 3 }
  const passes = (key = 'a') => table.take(key, rate).waitMs === 0
  t.same([passes(), passes(), passes(), passes()], [true, true, true, false])
  t.match(table.take('a', rate), { waitMs: 100, fullMs: 300, left: 0 })
  t.equal(table.take('z', rate).left, 2)
  t.ok(passes('b'), 'another has its own')
  nowMs += 99
  t.notOk(passes())
  nowMs += 1
  t.ok(passes())
  t.notOk(passes())
  nowMs += 10_000
  t.same([passes(), passes(), passes(), passes()], [true, true, true, false])
  let passed = 0
  for (let i = 0; i < 1_000; i++) {
    nowMs += 10
    if (passes('c')) passed += 1
  }
  t.ok(passed >= 100 && passed <= 103, `${passed} in 10 s`)
})

t.test('the table is shared, and has its size however many keys there are', async (t) => {
  let nowMs = 0
  const table = new RateTable(undefined, () => BigInt(nowMs * 1_000))
  const other = new RateTable(table.buffer, () => BigInt(nowMs * 1_000))
  const rate = { requests: 1, windowMs: 60_000, burst: 1 }
  t.equal(table.take('a', rate).waitMs, 0)
  t.equal(other.take('a', rate).waitMs, 60_000)
  nowMs = 1
  for (let i = 0; i < 20_000; i++) other.take(`key ${i}`, rate)
  let kept = 0
  for (let i = 0; i < 20_000; i++) if (table.take(`key ${i}`, rate).waitMs > 0) kept += 1
  t.ok(kept > 19_900, `${kept} of 20000 keys are still known`)
})

t.test('limits by what is asked; requests without it share one', async (t) => {
  const limits = new RateLimits(new RateTable(), '/x', [
    { by: 'header:x-user', requests: 2, windowMs: 60_000 },
  ])
  const ask = (lines: string[], target = '/x') => limits.check(requestHead(target, lines))
  for (const lines of [['X-User: a'], ['X-User: b'], []]) {
    t.match(ask(lines), {
      error: undefined,
      headers: [
        ['ratelimit-policy', '"header:x-user";q=2;w=60'],
        ['ratelimit', '"header:x-user";r=1;t=30'],
      ],
    })
    t.match(ask(lines).headers[1], ['ratelimit', /r=0;t=60$/])
    const refused = ask(lines)
    t.equal(refused.error?.code, 'ARIES_E_RATE_LIMITED')
    t.match(Object.fromEntries(refused.headers), {
      'retry-after': /^(29|30)$/,
      'ratelimit-policy': '"header:x-user";q=2;w=60',
      ratelimit: /^"header:x-user";r=0;t=(59|60)$/,
    })
  }
})

t.test(
  'a client that is too fast gets 429; another route and a reload do not matter',
  async (t) => {
    const origin = await serve(t, (_req, res) => res.end('ok'))
    const upstreams = [`http://127.0.0.1:${origin.port}`]
    const config = testConfig({
      routes: [
        { path: '/a', upstreams, rateLimits: [{ requests: 3, windowMs: 60_000 }] },
        {
          path: '/b',
          respond: { body: 'b' },
          rateLimits: [{ by: 'route', requests: 1, windowMs: 60_000 }],
        },
      ],
      front: { shards: 2 },
    })
    const { url, front } = await startFront(t, new StubMembership(), config)
    const ask = async (path: string) => {
      const { statusCode, headers, body } = await request(url + path, { reset: true })
      return { status: statusCode, headers, text: await body.text() }
    }
    for (const left of [2, 1, 0]) {
      t.match(await ask('/a'), {
        status: 200,
        headers: { 'ratelimit-policy': '"address";q=3;w=60', ratelimit: `"address";r=${left};` },
      })
    }
    t.match(await ask('/a'), {
      status: 429,
      headers: { 'retry-after': /^\d+$/, ratelimit: /r=0/ },
      text: /ARIES_E_RATE_LIMITED/,
    })
    t.match(await ask('/b'), { status: 200, headers: { ratelimit: '"route";r=0;t=60' } })
    t.equal((await ask('/b')).status, 429)
    await front.setConfig(config)
    t.equal((await ask('/a')).status, 429)
  },
)

t.test('a shard that is late refuses the low first, the high never', async (t) => {
  const shedder = new Shedder(seededRandom(3), 100)
  const refused = () =>
    (['low', 'normal', 'high'] as const).map((priority) => {
      let count = 0
      for (let i = 0; i < 1_000; i++) if (shedder.refuses(priority)) count += 1
      return count
    })
  const settle = (ms: number) => {
    for (let i = 0; i < 60; i++) shedder.noteLag(ms)
  }
  t.same(refused(), [0, 0, 0])
  shedder.noteLag(400)
  t.same(refused(), [0, 0, 0], 'one pause is no overload')
  settle(150)
  const [low, normal] = refused()
  t.ok(low! > 400 && low! < 600 && normal === 0, `${low} ${normal}`)
  settle(300)
  const [all, half, none] = refused()
  t.ok(all! > 990 && half! > 400 && half! < 600 && none === 0, `${all} ${half} ${none}`)
  settle(10)
  t.same(refused(), [0, 0, 0])
})
