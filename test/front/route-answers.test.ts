import t from 'tap'
import { request } from 'undici'
import { startFront } from './start.ts'
import { StubMembership, serve, testConfig } from './stubs.ts'

t.test('routes that answer by themselves, before those that forward', async (t) => {
  const origin = await serve(t, (req, res) => res.end(`${req.method} ${req.url}`))
  const config = testConfig({
    routes: [
      { path: '/old/:id/*', redirect: '/new/:id/*', status: 301 },
      { path: '/robots.txt', respond: { headers: { 'Content-Type': 'text/plain' }, body: 'no' } },
      { path: '/*', host: 'closed.example', respond: { status: 503, body: 'closed' } },
      { path: '/*', methods: ['DELETE'], respond: { status: 405 } },
      { path: '/*', upstreams: [`http://127.0.0.1:${origin.port}`] },
    ],
  })
  const { url } = await startFront(t, new StubMembership(), config)
  const ask = async (path: string, options: Parameters<typeof request>[1] = {}) => {
    const { statusCode, headers, body } = await request(`${url}${path}`, options)
    return { status: statusCode, headers, body: await body.text() }
  }
  t.match(await ask('/old/7/a?b=c'), { status: 301, headers: { location: '/new/7/a?b=c' } })
  t.match(await ask('/robots.txt'), {
    status: 200,
    headers: { 'content-type': 'text/plain', 'content-length': '2' },
    body: 'no',
  })
  t.match(await ask('/robots.txt', { method: 'HEAD' }), {
    status: 200,
    headers: { 'content-length': '2' },
    body: '',
  })
  t.match(await ask('/x', { headers: { host: 'closed.example' } }), { status: 503, body: 'closed' })
  t.match(await ask('/x', { method: 'DELETE' }), { status: 405, body: '' })
  t.match(await ask('/x?y', { method: 'POST', body: 'z' }), { status: 200, body: 'POST /x?y' })
})
