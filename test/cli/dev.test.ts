import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { aries, cleanEnv } from './aries.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DEADLINE_MS = 60_000
const STOP_MS = 5_000

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`still not so: ${what}`)
    await sleep(25)
  }
}

/** A port that is free for TCP and UDP. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const socket = createSocket('udp4')
  const free = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false))
    socket.bind(port, '127.0.0.1', () => resolve(true))
  })
  await new Promise<void>((resolve) => server.close(() => resolve()))
  socket.close()
  return free ? port : freePort()
}

interface Ports {
  readonly http: number
  readonly upstream: number
  readonly frontAdmin: number
  readonly nodeAdmin: number
}

/** A configuration of one front and one node on free ports. */
async function devFolder(t: Test): Promise<{ folder: string; config: string; ports: Ports }> {
  const folder = t.testdir()
  const numbers: number[] = []
  while (numbers.length < 7) {
    const port = await freePort()
    if (!numbers.includes(port)) numbers.push(port)
  }
  const [http, upstream, frontGossip, frontAdmin, gossip, data, admin] = numbers
  mkdirSync(join(folder, 'config'))
  const config = join(folder, 'config/aries.yaml')
  writeFileSync(
    config,
    `listeners:
  - { http: 127.0.0.1:${http} }
routes:
  - { path: /hello, task: ${ROOT}workers/hello.ts }
  - { path: /counter/:key, worker: ${ROOT}workers/counter.ts }
  - { path: /legacy/*, upstreams: ['http://127.0.0.1:${upstream}'] }
front: { shards: 1 }
pool: { threads: 1 }
`,
  )
  writeFileSync(
    join(folder, 'config/cluster.yaml'),
    `cluster: dev-test
epoch: 1
nodes:
  - { id: n1, host: 127.0.0.1, gossip: ${gossip}, data: ${data}, admin: ${admin} }
fronts:
  - { id: f1, host: 127.0.0.1, gossip: ${frontGossip}, admin: ${frontAdmin} }
`,
  )
  const ports = { http: http!, upstream: upstream!, frontAdmin: frontAdmin!, nodeAdmin: admin! }
  return { folder, config, ports }
}

interface Dev {
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  stdout: string
  stderr: string
}

function startDev(t: Test, config: string): Dev {
  const child = spawn(process.execPath, [`${ROOT}src/cli/main.ts`, 'dev', '--config', config], {
    env: cleanEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  const dev: Dev = { process: child, ended, stdout: '', stderr: '' }
  child.stdout.on('data', (part) => {
    dev.stdout += part
  })
  child.stderr.on('data', (part) => {
    dev.stderr += part
  })
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  return dev
}

async function untilReady(dev: Dev): Promise<void> {
  await until(
    () => dev.stdout.includes('Ctrl-C') || dev.process.exitCode !== null,
    'the table is printed',
  )
  if (dev.process.exitCode !== null) throw new Error(`it ended: ${dev.stderr}`)
}

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

t.setTimeout(120_000)

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
  await until(() => dev.stderr.includes('n1 is back'), 'n1 is back')
  t.match(dev.stderr, /n1 was ended by SIGKILL; it is started again in 1 s \(log: .*n1\.log\)/)
  const again = await fetch(`${base}/hello`)
  t.equal(again.status, 200)

  const map = join(folder, 'config/cluster.yaml')
  const text = readFileSync(map, 'utf8')
  writeFileSync(map, text.replace('id: n1,', 'id: n1, speed: 2,'))
  await until(() => dev.stderr.includes('refused, the old configuration stays'), 'it is refused')
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
  await until(() => membersOf(config).length === 0 && !isAlive(upstream), 'all have ended')
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
  t.match(stderr, /aries\.yaml:9:1: fornt: is not a known key; did you mean `front`\?/)
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
