import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { aries } from './aries.ts'
import { DEV_TIMEOUT_MS, devFolder, startDev, untilReady } from './dev-process.ts'

const STOP_MS = 5_000

/** Process ids of every process that runs with `config`, but for `aries dev` itself. */
function membersOf(config: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      return line.includes(config) && !line.includes('dev') ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

t.setTimeout(240_000)

t.test('starts everything, restarts what dies, tells of changes, ends in order', async (t) => {
  const { folder, config, ports } = await devFolder(t)
  const dev = startDev(t, config)
  await untilReady(dev)
  t.match(dev.stdout, `cluster dev-test serves at http://127.0.0.1:${ports.http}`)
  t.match(dev.stdout, new RegExp(`^f1 +front +\\d+ +clients 127.0.0.1:${ports.http}`, 'm'))
  t.match(dev.stdout, new RegExp(`^legacy-${ports.upstream} +upstream +\\d+`, 'm'))
  t.match(dev.stdout, `curl -X POST http://127.0.0.1:${ports.http}/counter/a`)

  const base = `http://127.0.0.1:${ports.http}`
  const hello = await fetch(`${base}/hello`)
  t.equal(hello.status, 200)
  t.equal(hello.headers.get('aries-node'), 'n1')
  const environments = membersOf(config).map((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8'))
  t.ok(environments.length >= 2)
  t.ok(environments.every((text) => text.split('\0').includes('ARIES_DEV=1')))
  const legacy = await fetch(`${base}/legacy/x?y`)
  t.match(await legacy.json(), { upstream: `127.0.0.1:${ports.upstream}`, path: '/legacy/x?y' })
  const status = await aries(['status', '--admin', `127.0.0.1:${ports.frontAdmin}`])
  t.match(status.stdout, /cluster dev-test, map epoch 1: 2 members, 2 ready/)

  const node = Number(/^n1 +node +(\d+)/m.exec(dev.stdout)?.[1])
  process.kill(node, 'SIGKILL')
  await until('n1 is back', () => dev.stderr.includes('n1 is back'), DEV_TIMEOUT_MS)
  t.match(dev.stderr, /n1 was ended by SIGKILL; it is started again in 1 s \(log: .*n1\.log\)/)
  const again = await fetch(`${base}/hello`)
  t.equal(again.status, 200)

  const map = join(folder, 'config/cluster.yaml')
  const text = readFileSync(map, 'utf8')
  writeFileSync(map, text.replace('id: n1,', 'id: n1, speed: 2,'))
  await until(
    'it is refused',
    () => dev.stderr.includes('refused, the old configuration stays'),
    DEV_TIMEOUT_MS,
  )
  t.match(dev.stderr, /epoch is still 1; raise it to 2/)

  dev.process.kill('SIGINT')
  const startMs = performance.now()
  t.equal(await dev.ended, 0)
  t.ok(performance.now() - startMs < STOP_MS, 'within the time that is promised')
  t.strictSame(membersOf(config), [], 'no process is left')
  for (const port of Object.values(ports)) t.ok(await isFree(port), `port ${port} is free`)
  t.match(readFileSync(join(folder, 'data/logs/n1.log'), 'utf8'), /"msg":"node is up"/)
})

t.test('its children end when it is killed', async (t) => {
  const { config, ports } = await devFolder(t)
  const dev = startDev(t, config)
  await untilReady(dev)
  const upstream = Number(/^legacy-\d+ +upstream +(\d+)/m.exec(dev.stdout)?.[1])
  t.equal(membersOf(config).length, 2)
  dev.process.kill('SIGKILL')
  await until(
    'all have ended',
    () => membersOf(config).length === 0 && !isAlive(upstream),
    DEV_TIMEOUT_MS,
  )
  for (const port of Object.values(ports)) t.ok(await isFree(port), `port ${port} is free`)
})

t.test('a port in use ends it with 78 before anything is started', async (t) => {
  const { folder, config, ports } = await devFolder(t)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(ports.nodeAdmin, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { code, stdout, stderr } = await aries(['dev', '--config', config])
  t.equal(code, 78)
  t.equal(stdout, '')
  t.match(stderr, /^aries: nothing was started\n/)
  t.match(
    stderr,
    `127.0.0.1:${ports.nodeAdmin} (TCP, admin API of n1): another process has this port`,
  )
  t.match(stderr, /cluster\.yaml: nodes\[0\]\.admin\n/)
  t.notOk(readdirSync(folder).includes('data'))
})

t.test('a bad configuration ends it with 78 before anything is started', async (t) => {
  const { folder, config } = await devFolder(t)
  writeFileSync(config, `${readFileSync(config, 'utf8')}fornt: {}\n`)
  const { code, stderr } = await aries(['dev', '--config', config])
  t.equal(code, 78)
  t.match(stderr, /aries\.yaml:10:1: fornt: is not a known key; did you mean `front`\?/)
  t.notOk(readdirSync(folder).includes('data'))
})

t.test('a member that is not in the map ends with a sentence that helps', async (t) => {
  const { config } = await devFolder(t)
  for (const role of ['node', 'front']) {
    const { code, stderr } = await aries([role, '--id', 'x9', '--config', config])
    t.equal(code, 78, role)
    t.match(stderr, /x9/)
    t.notMatch(stderr, /\n {4}at /)
  }
})
