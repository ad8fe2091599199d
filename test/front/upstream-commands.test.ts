import t from 'tap'
import { request } from 'undici'
import { ariesHere } from '../cli/aries.ts'
import { until } from '../helpers/until.ts'
import { startAdmin, startFront } from './start.ts'
import { StubMembership, serve, testConfig } from './stubs.ts'

t.test('aries upstreams, drain-upstream and undrain-upstream, on a real front', async (t) => {
  let finish: (() => void) | undefined
  const own = await serve(t, (req, res) => {
    if (req.url === '/slow') finish = () => res.end('done')
    else res.end('own')
  })
  const ill = await serve(t, (_req, res) => res.writeHead(503).end())
  const [ownUrl, illUrl] = [own, ill].map(({ port }) => `http://127.0.0.1:${port}`)
  const routes = [{ path: '/*', upstreams: [ownUrl, { url: illUrl, priority: 1 }] }]
  const config = testConfig({ routes, health: { intervalMs: 30 } })
  const { front, url } = await startFront(t, new StubMembership(), config)
  const admin = await startAdmin(t, { upstreams: front.states })
  const run = (...args: string[]) => ariesHere([...args, '--admin', admin])
  await until('one is found ill', () => front.states.unhealthy().length === 1)
  const { stdout } = await run('upstreams')
  t.match(stdout, /^UPSTREAM +FRONT +STATE +FOR +IN FLIGHT +REQUESTS +FAILED +NOTE\n/)
  t.match(stdout, new RegExp(`\n${ownUrl} +f1 +in +`))
  t.match(stdout, new RegExp(`\n${illUrl} +f1 +out .* a check was answered 503\n`))

  const slow = request(`${url}/slow`)
  await until('a request is there', () => finish !== undefined)
  await until('it is told', () => front.states.list()[0]!.inFlight === 1)
  const draining = run('drain-upstream', ownUrl!, '--for', '1')
  await until('it drains', () => front.states.list()[0]!.state === 'draining')
  finish!()
  t.equal(await (await slow).body.text(), 'done')
  t.match(await draining, {
    code: 0,
    stdout: /is drained; `aries undrain-upstream` takes it back/,
    stderr: /1 request in flight, bound clients/,
  })
  t.match(await run('undrain-upstream', ownUrl!), { code: 0, stdout: /is in use again/ })
  t.equal(front.states.list()[0]!.state, 'in')
  t.match(await run('drain-upstream', 'http://nobody:1'), {
    code: 1,
    stderr: /no route or listener has an upstream http:\/\/nobody:1/,
  })
  const bad = await request(`http://${admin}/api/upstreams/drain`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"url":"http://a:1","boundMs":-1}',
  })
  t.equal(bad.statusCode, 400)
})
