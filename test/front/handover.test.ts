import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import { type Changed, reload, replace, statusOf } from '../../loadtest/reload/change.ts'
import { Load } from '../../loadtest/reload/load.ts'
import { StandingSockets, startEcho } from '../../loadtest/reload/sockets.ts'
import { cleanEnv } from '../cli/aries.ts'
import { leash } from '../helpers/leash.ts'
import { freePorts } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url))
/** A front starts, on a machine that is busy with other tests. */
const START_MS = 60_000

t.setTimeout(240_000)

interface Alone extends Changed {
  readonly process: ChildProcess
  /** The log so far. */
  log(): string
}

/** A front without a node, with a server behind it. */
async function startAlone(t: Test, upstream: string): Promise<Alone> {
  const folder = mkdtempSync(join(tmpdir(), 'aries-test-'))
  const [http, gossip, admin, ...node] = (await freePorts(6)) as [number, number, number]
  const configFile = join(folder, 'aries.yaml')
  const host = '127.0.0.1'
  const [nodeGossip, nodeData, nodeAdmin] = node as number[]
  const map = {
    cluster: 'test',
    epoch: 1,
    nodes: [{ id: 'n1', host, gossip: nodeGossip, data: nodeData, admin: nodeAdmin }],
    fronts: [{ id: 'f1', host, gossip, admin }],
  }
  const config = {
    map: './cluster.yaml',
    listeners: [{ http: `${host}:${http}` }],
    routes: [{ path: '/*', upstreams: [upstream] }],
    front: { shards: 2, handoverTimeoutMs: 20_000 },
  }
  writeFileSync(join(folder, 'cluster.yaml'), stringify(map))
  writeFileSync(configFile, stringify(config))
  let log = ''
  const child = spawn(process.execPath, [MAIN, 'front', '--config', configFile], {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  leash(child)
  child.stderr.on('data', (part) => {
    log += String(part)
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    // The line to the keeper breaks, and what has its place ends as well.
    if (!child.stderr.closed) await once(child.stderr, 'close')
    rmSync(folder, { recursive: true })
  })
  const url = `http://${host}:${http}`
  const adminUrl = `http://${host}:${admin}`
  const answers = async (): Promise<boolean> => (await fetch(url)).status === 200
  await until('the front serves', answers, START_MS)
  return {
    process: child,
    configFile,
    url,
    log: () => log,
    get: async (path) => (await fetch(adminUrl + path)).json(),
    post: async (path) => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(adminUrl + path, { method: 'POST', headers, body: '{}' })
      return { status: response.status, body: await response.json() }
    },
  }
}

t.test('a front is reloaded and replaced under load', async (t) => {
  const echo = await startEcho()
  t.teardown(() => echo.close())
  const front = await startAlone(t, echo.url)
  const sockets = await StandingSockets.open([`${front.url.replace('http', 'ws')}/ws`])
  t.teardown(() => sockets.close())
  const load = new Load({
    port: Number(new URL(front.url).port),
    paths: ['/a', '/b'],
    requestsPerSecond: 200,
    connectionsPerSecond: 50,
  })
  for (let n = 1; n <= 3; n++) await reload(front, n)
  t.equal(await sockets.answering(), 1, 'a WebSocket outlives a reload')

  const first = front.process.pid!
  const second = await replace(front)
  t.not(second, first)
  t.equal(await sockets.answering(), 1, 'a tunnel goes on in the process that was replaced')

  const serving = () => statusOf(front)
  const config = readFileSync(front.configFile, 'utf8')
  writeFileSync(front.configFile, `${config}\nnonsense: true\n`)
  const refused = await front.post('/api/fronts/f1/restart')
  t.equal(refused.status, 409)
  t.match(refused.body, { error: { code: 'ARIES_E_NOT_REPLACED', message: /nonsense/ } })
  writeFileSync(front.configFile, config)
  t.equal((await serving())?.pid, second, 'it serves on')
  t.match((await serving())?.notes.join(), /was not replaced/)

  await load.stop()
  for (const tally of [load.kept, load.fresh]) {
    t.ok(tally.ok > 0)
    t.match(tally, { refused: 0, reset: 0, failed: 0, examples: [] })
  }
  process.kill(second, 'SIGKILL')
  const [code] = (await once(front.process, 'exit')) as [number]
  t.equal(code, 1, 'the process that was started ends with the front')
})

t.test('the process that was started ends the one that took its place', async (t) => {
  const echo = await startEcho()
  t.teardown(() => echo.close())
  const front = await startAlone(t, echo.url)
  const second = await replace(front)
  front.process.kill('SIGUSR2')
  const isReplaced = async (): Promise<boolean> => (await statusOf(front))?.pid !== second
  await until('the second is replaced too', isReplaced, START_MS)
  // In the middle of it: nobody knows yet to whom it is to be passed on.
  front.process.kill('SIGTERM')
  const [code] = (await once(front.process, 'exit')) as [number]
  t.equal(code, 0)
  await t.rejects(fetch(front.url), 'nobody listens')
})
