import { once } from 'node:events'
import t from 'tap'
import { type Answer, codeOf, PoolProcess } from './pool-process.ts'

t.test('answers with what the task returns', async (t) => {
  const pool = await new PoolProcess().ready()
  t.teardown(() => pool.end())

  t.test('a greeting', async (t) => {
    const answer = await pool.call('hello', '/hello')
    t.equal(answer.status, 200)
    t.equal(answer.body, 'hello from n1\n')
    t.equal(answer.headers['aries-node'], 'n1')
    const headers = { accept: 'application/json' }
    const json = await pool.call('hello', '/hello', { headers })
    t.same(json.json(), { greeting: 'hello from n1', node: 'n1' })
  })

  t.test(
    'the task sees the request as the client sent it, without the inner headers',
    async (t) => {
      const answer = await pool.call('deeds', '/deeds/a%20b?do=echo&x=%C3%A9', {
        method: 'POST',
        headers: { host: 'example.org:8080', 'x-own': 'yes', 'aries-epoch': '4', te: 'trailers' },
        body: 'héllo',
      })
      const seen = answer.json() as {
        method: string
        url: string
        headers: string[][]
        body: string
      }
      t.equal(seen.method, 'POST')
      t.equal(seen.url, 'http://example.org:8080/deeds/a%20b?do=echo&x=%C3%A9')
      t.equal(seen.body, 'héllo')
      const names = seen.headers.map(([name]) => name)
      t.ok(names.includes('x-own'))
      t.notOk(names.some((name) => name?.startsWith('aries-') || name === 'te'))
    },
  )

  t.test('a host that is no host, and https', async (t) => {
    const url = async (headers: Record<string, string>): Promise<string> => {
      const answer = await pool.call('deeds', '//x?do=echo', { headers })
      return (answer.json() as { url: string }).url
    }
    t.equal(await url({ host: 'a b<c' }), 'http://localhost//x?do=echo')
    t.equal(
      await url({ host: 'a.example', 'x-forwarded-proto': 'https' }),
      'https://a.example//x?do=echo',
    )
  })

  t.test('headers of the answer: all cookies, none of the inner ones', async (t) => {
    const answer = await pool.deed('cookies')
    t.equal(answer.status, 204)
    t.same(answer.headers['set-cookie'], ['a=1', 'b=2'])
    t.equal(answer.headers['aries-owner'], undefined)
    t.equal(answer.headers['content-length'], undefined)
    t.not(answer.headers.connection, 'close')
  })

  t.test('HEAD: the head of the answer alone', async (t) => {
    const answer = await pool.call('hello', '/hello', { method: 'HEAD' })
    t.equal(answer.status, 200)
    t.equal(answer.headers['content-length'], '14')
    t.equal(answer.body, '')
  })

  t.test('a thread is used again, not made anew for each request', async (t) => {
    const seen = new Set<number>()
    for (let i = 0; i < 50; i++) {
      seen.add(((await pool.deed('thread')).json() as { threadId: number }).threadId)
    }
    t.ok(seen.size <= 2, `${seen.size} threads for 50 requests`)
  })

  t.test('unknown tasks and refused methods', async (t) => {
    const unknown = await pool.call('nobody', '/')
    t.equal(unknown.status, 404)
    t.equal(codeOf(unknown), 'ARIES_E_NO_ROUTE')
    t.equal(unknown.headers['aries-fault'], 'ARIES_E_NO_ROUTE')
    const trace = await pool.call('hello', '/hello', { method: 'TRACE' })
    t.equal(trace.status, 400)
    t.equal(codeOf(trace), 'ARIES_E_BAD_REQUEST')
  })

  t.test('figures reach the node', async (t) => {
    const stats = await pool.statsWhere((stats) => stats.completed > 50)
    t.ok(stats.memoryBytes > 10_000_000)
    t.ok(stats.connections >= 1)
    t.equal(stats.requests, 0)
    t.equal(stats.failed, 0)
  })
})

t.test('primes', async (t) => {
  const pool = await new PoolProcess().ready()
  t.teardown(() => pool.end())
  // π(n): OEIS A006880 for the powers of ten, and the smallest ones by hand.
  const known = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 9: 4, 10: 4, 100: 25, 121: 30, 1000: 168 }
  for (const [limit, count] of Object.entries({ ...known, 10000000: 664579 })) {
    const answer = await pool.call('primes', `/primes?limit=${limit}`)
    t.same(answer.json(), { limit: Number(limit), count }, `up to ${limit}`)
  }
  t.same((await pool.call('primes', '/primes')).json(), { limit: 1_000_000, count: 78_498 })
  for (const bad of ['10000001', '-1', '1.5', 'x', '', '1e3', '9'.repeat(50)]) {
    const answer = await pool.call('primes', `/primes?limit=${bad}`)
    t.equal(answer.status, 400, `limit=${bad}`)
    t.match(answer.json(), { error: /whole number from 0 to 10000000/ })
  }
})

t.test('asks for the token when there is one', async (t) => {
  const pool = await new PoolProcess({ token: 'secret' }).ready()
  t.teardown(() => pool.end())
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await pool.call('hello', '/hello', { headers })).status
  t.equal(await status({}), 401)
  t.equal(await status({ 'aries-auth': 'secreT' }), 401)
  t.equal(await status({ 'aries-auth': 'secret' }), 200)
})

t.test('limits of bodies', async (t) => {
  const pool = await new PoolProcess({ limits: { bodyBytesMax: 1_000 } }).ready()
  t.teardown(() => pool.end())
  const post = (body: string, headers = {}): Promise<Answer> =>
    pool.call('hello', '/hello', { method: 'POST', body, headers })
  t.equal((await post('x'.repeat(1_000))).status, 200)
  const declared = await post('x'.repeat(1_001))
  t.equal(declared.status, 413)
  t.equal(codeOf(declared), 'ARIES_E_BODY_TOO_LARGE')
  const chunked = await post('x'.repeat(1_001), { 'transfer-encoding': 'chunked' })
  t.equal(chunked.status, 413)
  t.equal((await pool.deed('large', '&bytes=1000')).status, 200)
  for (const answer of [await pool.deed('large', '&bytes=1001'), await pool.deed('endless')]) {
    t.equal(answer.status, 500)
    t.match(answer.json(), { error: { code: 'ARIES_E_TASK_FAILED', message: /bodyBytesMax/ } })
  }
})

t.test('a full queue refuses, and a caller who leaves makes room', async (t) => {
  const pool = await new PoolProcess({ limits: { threads: 1, queueMax: 2 } }).ready()
  t.teardown(() => pool.end())
  const first = pool.deed('sleep', '&ms=1500')
  await pool.statsWhere((stats) => stats.requests === 1)
  const leaver = new Promise<void>((resolve) => {
    pool
      .call('deeds', '/deeds?do=leak', {
        sent: (request) => setTimeout(() => request.destroy(), 50),
      })
      .catch(() => resolve())
  })
  const waiting = pool.deed('thread')
  await pool.statsWhere((stats) => stats.requests >= 2)
  await leaver
  const other = pool.deed('thread')
  await pool.statsWhere((stats) => stats.requests === 3)
  const refused = await pool.deed('thread')
  t.equal(refused.status, 503)
  t.equal(codeOf(refused), 'ARIES_E_OVERLOADED')
  t.equal(refused.headers['retry-after'], '1')
  for (const answer of await Promise.all([first, waiting, other])) t.equal(answer.status, 200)
  const stats = await pool.statsWhere((stats) => stats.requests === 0)
  t.equal(stats.completed, 3, 'the task of the caller who left was never run')
})

t.test('shutdown finishes what runs', async (t) => {
  const pool = await new PoolProcess().ready()
  t.teardown(() => pool.end())
  const running = pool.deed('sleep', '&ms=700')
  await pool.statsWhere((stats) => stats.requests === 1)
  const exited = once(pool.child, 'exit')
  pool.send({ type: 'shutdown' })
  t.equal((await running).body, 'slept')
  t.same(await exited, [0, null])
})

t.test('ends when its node is gone, whatever runs', async (t) => {
  const pool = await new PoolProcess().ready()
  const abandoned = t.rejects(pool.deed('loop'))
  await pool.statsWhere((stats) => stats.requests === 1)
  const exited = once(pool.child, 'exit')
  pool.child.disconnect()
  t.same(await exited, [0, null])
  await abandoned
  await pool.end()
})
