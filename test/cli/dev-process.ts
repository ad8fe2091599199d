/** `aries dev` as a process of its own, with a configuration on free ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { freePort } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'
import { cleanEnv } from './aries.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** A whole cluster starts, on a machine that is busy with other tests. */
export const DEV_TIMEOUT_MS = 120_000

export interface Ports {
  readonly http: number
  readonly upstream: number
  readonly frontAdmin: number
  readonly nodeAdmin: number
}

/** A configuration of one front and one node on free ports, beside other files. */
export async function devFolder(
  t: Test,
  modules = { hello: `${ROOT}workers/hello.ts`, counter: `${ROOT}workers/counter.ts` },
  files: Record<string, Record<string, string>> = {},
): Promise<{ folder: string; config: string; ports: Ports }> {
  const folder = t.testdir(files)
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
  - { path: /hello, task: ${modules.hello} }
  - { path: /counter/:key, worker: ${modules.counter} }
  - { path: /legacy/*, upstreams: ['http://127.0.0.1:${upstream}'] }
front: { shards: 1 }
host: { spare: false }
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

export interface Dev {
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  stdout: string
  stderr: string
}

export function startDev(t: Test, config: string): Dev {
  const child = spawn(process.execPath, [`${ROOT}src/cli/bin.js`, 'dev', '--config', config], {
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

export async function untilReady(dev: Dev): Promise<void> {
  await until(
    'the table is printed',
    () => dev.stdout.includes('Ctrl-C') || dev.process.exitCode !== null,
    DEV_TIMEOUT_MS,
  )
  if (dev.process.exitCode !== null) throw new Error(`it ended: ${dev.stderr}`)
}
