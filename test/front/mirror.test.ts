import t from 'tap'
import { request } from 'undici'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, type StubServer, serve, type Teardown, testConfig } from './stubs.ts'

const urlOf = ({ port }: StubServer): string => `http://127.0.0.1:${port}`

/** A server that keeps what it is asked. */
async function listening(t: Teardown, answer: 'answers' | 'hangs' = 'answers') {
  const asked: string[] = []
  const server = await serve(t, (req, res) => {
    let body = ''
    req.on('data', (chunk) => {
      body += String(chunk)
    })
    req.on('end', () => {
      if (req.headers['user-agent'] !== 'aries-health') {
        asked.push(`${req.method} ${req.url} ${req.headers['x-by'] ?? ''} ${body}`)
        if (answer === 'hangs') return
      }
      res.end('own')
    })
  })
  return { server, asked, url: urlOf(server) }
}

t.test(
  'each request goes to the mirror as well, as it was sent; its answer is dropped',
  async (t) => {
    const own = await listening(t)
    const mirror = await listening(t)
    const { url, front } = await startFront(
      t,
      new StubMembership(),
      testConfig({
        routes: [
          {
            path: '/api/*',
            upstreams: [own.url],
            rewrite: '/*',
            requestHeaders: { set: { 'X-By': '{method}' } },
            mirror: { upstreams: [mirror.url] },
          },
        ],
        front: { replayBytesMax: 1_000 },
      }),
    )
    t.equal(await (await request(`${url}/api/a?b`)).body.text(), 'own')
    const post = (bytes: number) =>
      request(`${url}/api/p`, { method: 'POST', body: 'x'.repeat(bytes) })
    t.equal((await post(3)).statusCode, 200)
    await until('both were copied', () => mirror.asked.length === 2)
    t.same(mirror.asked.toSorted(), ['GET /a?b GET ', 'POST /p POST xxx'])
    t.same(own.asked, ['GET /a?b GET ', 'POST /p POST xxx'])
    t.equal((await post(500_000)).statusCode, 200)
    await until('it was not copied', () => front.stats().mirrored.dropped === 1)
    await until('the others are counted', () => front.stats().mirrored.answered === 2)
  },
)

t.test(
  'a mirror that hangs or is gone holds up nobody, and not too many copies wait',
  async (t) => {
    const own = await listening(t)
    const hangs = await listening(t, 'hangs')
    const gone = await listening(t)
    await gone.server.kill()
    const { url, front } = await startFront(
      t,
      new StubMembership(),
      testConfig({
        routes: [
          {
            path: '/hangs',
            upstreams: [own.url],
            mirror: { upstreams: [hangs.url], inFlightMax: 2 },
          },
          { path: '/gone', upstreams: [own.url], mirror: { upstreams: [gone.url] } },
          { path: '/never', upstreams: [own.url], mirror: { upstreams: [hangs.url], part: 0 } },
        ],
      }),
    )
    for (let i = 0; i < 5; i++) t.equal((await request(`${url}/hangs`)).statusCode, 200)
    await until('the rest was dropped', () => front.stats().mirrored.dropped === 3)
    t.equal((await request(`${url}/gone`)).statusCode, 200)
    await until('it failed', () => front.stats().mirrored.failed === 1)
    t.equal((await request(`${url}/never`)).statusCode, 200)
    t.equal(hangs.asked.length, 2)
  },
)
