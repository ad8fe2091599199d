import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { request } from 'undici'
import { commonLine } from '../../src/front/common-line.ts'
import { until } from '../helpers/until.ts'
import { KeptConnection, startFront } from './start.ts'
import { StubMembership, serve, type Teardown, testConfig } from './stubs.ts'

function folder(t: Teardown): string {
  const dir = mkdtempSync(join(tmpdir(), 'aries-access-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []

async function start(t: Teardown, accessLog: Record<string, unknown>) {
  const origin = await serve(t, (req, res) => {
    res.statusCode = req.url!.includes('broken') ? 500 : 200
    req.resume().on('end', () => res.end('12345'))
  })
  const config = (log: Record<string, unknown> | undefined) =>
    testConfig({
      routes: [{ path: '/legacy/*', upstreams: [`http://127.0.0.1:${origin.port}`] }],
      accessLog: log,
    })
  const started = await startFront(t, new StubMembership(), config(accessLog))
  return { ...started, origin, config }
}

t.test('a line of JSON for each exchange, in its order, without the query', async (t) => {
  const file = join(folder(t), 'access.log')
  const { url, port, origin } = await start(t, { file })
  await (await request(`${url}/legacy/a?token=secret`, { method: 'POST', body: 'abc' })).body.dump()
  await (await request(`${url}/nowhere`)).body.dump()
  const bad = new KeptConnection(t, port)
  bad.write('NONSENSE\r\n\r\n')
  await bad.answer()
  await until('three lines', () => linesOf(file).length === 3)
  const [first, second, third] = linesOf(file).map((line) => JSON.parse(line))
  t.hasStrict(first, {
    front: 'f1',
    shard: 0,
    remote: '127.0.0.1',
    method: 'POST',
    path: '/legacy/a',
    status: 200,
    bytesIn: 3,
    bytesOut: 5,
    target: `http://127.0.0.1:${origin.port}`,
    http: '1.1',
    attempts: 1,
  })
  t.ok(Date.parse(first.time) > 0 && first.ms > 0)
  t.hasStrict(second, { path: '/nowhere', status: 404, attempts: 0 })
  t.hasStrict(third, { method: '', status: 400, error: 'ARIES_E_BAD_REQUEST' })
  t.notMatch(readFileSync(file, 'utf8'), /secret/)
})

t.test('the common format, with the query when that is asked for', async (t) => {
  const file = join(folder(t), 'access.log')
  const { url } = await start(t, { file, format: 'common', query: true })
  await (await request(`${url}/legacy/a?b=c`)).body.dump()
  await until('a line', () => linesOf(file).length === 1)
  const time = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]`
  t.match(
    linesOf(file)[0],
    new RegExp(String.raw`^127\.0\.0\.1 - - ${time} "GET /legacy/a\?b=c HTTP/1\.1" 200 5$`),
  )
})

t.test('nothing in a request ends its quotes or steers a terminal', (t) => {
  const record = {
    method: 'GET',
    target: '/"\\\u001b[2J\u0085',
    version: '1.0',
    remoteAddress: '::1',
    status: 499,
    targetId: '',
    attempts: 0,
    bytesIn: 0,
    bytesOut: 0,
    ms: 1,
    error: undefined,
  } as const
  t.equal(
    commonLine(record, new Date(Date.UTC(2026, 0, 5, 4, 3, 2))),
    '::1 - - [05/Jan/2026:04:03:02 +0000] "GET /\\"\\\\\\x1b[2J\\x85 HTTP/1.0" 499 -\n',
  )
  t.end()
})

t.test('of what succeeds a part, of what fails all', async (t) => {
  const file = join(folder(t), 'access.log')
  const { url } = await start(t, { file, sample: 0 })
  for (let i = 0; i < 5; i++) await (await request(`${url}/legacy/a`)).body.dump()
  await (await request(`${url}/legacy/broken`)).body.dump()
  await until('a line', () => linesOf(file).length > 0)
  t.strictSame(
    linesOf(file).map((line) => JSON.parse(line).status),
    [500],
  )
})

t.test(
  'a file that was moved away is made anew; a reload begins, changes and ends it',
  async (t) => {
    const dir = folder(t)
    const [file, moved, other] = ['access.log', 'access.log.1', 'other.log'].map((name) =>
      join(dir, name),
    ) as [string, string, string]
    const { url, front, config } = await start(t, { file })
    const ask = async (path: string) => (await request(`${url}/legacy/${path}`)).body.dump()
    await ask('before')
    await until('a line', () => linesOf(file).length === 1)
    renameSync(file, moved)
    await until('it is made anew', () => existsSync(file))
    await ask('after')
    await until('a line in the new file', () => linesOf(file).length === 1)
    t.match(linesOf(file)[0], /after/)
    t.match(linesOf(moved)[0], /before/)

    await front.setConfig(config({ file: other }))
    await ask('elsewhere')
    await until('a line in the other file', () => linesOf(other).length === 1)
    await front.setConfig(config(undefined))
    await ask('nowhere')
    await t.rejects(front.setConfig(config({ file: join(dir, 'no-folder', 'a.log') })), {
      code: 'ARIES_E_CONFIG',
      message: /accessLog\.file cannot be written: ENOENT/,
    })
    await front.stop()
    t.equal(linesOf(other).length, 1)
    t.equal(linesOf(file).length, 1)
  },
)
