import { execFile } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { ariesHere, type Outcome } from '../cli/aries.ts'
import type { TestCluster } from '../helpers/cluster.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url))
const POST = { method: 'POST' }

interface Ran {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** A worker is saved while it serves, and recovered here, there and over itself. */
export async function savedAndRecovered(t: Test, cluster: TestCluster): Promise<void> {
  const admin = ['--admin', cluster.adminAddress]
  const aries = (...args: string[]): Promise<Outcome> => ariesHere([...args, ...admin])
  const count = async (key: string, init = {}): Promise<number> => {
    const response = await fetch(`${cluster.url}/counter/${key}`, init)
    t.equal(response.status, 200)
    return ((await response.json()) as { value: number }).value
  }
  const owner = async (key: string): Promise<{ node: string; epoch: number }> =>
    (await cluster.get(`/api/workers/counter/${key}`)) as { node: string; epoch: number }

  for (let i = 1; i <= 3; i++) await count('a', POST)
  const keyed = { ...POST, headers: { 'idempotency-key': 'once' } }
  t.equal(await count('a', keyed), 4)
  const saved = await bytesOf(['checkpoint', 'counter/a', ...admin])
  t.equal(saved.code, 0, saved.stderr)
  t.equal(await count('a', POST), 5, 'it goes on')
  const file = join(cluster.dir, 'a.checkpoint')
  writeFileSync(file, saved.stdout)

  const copied = await aries('recover', file, '--as', 'counter/b', '--json')
  t.equal(copied.code, 0, copied.stderr)
  t.match(JSON.parse(copied.stdout), {
    class: 'counter',
    key: 'b',
    seq: 4,
    version: 1,
  })
  t.equal(await count('b'), 4)
  t.equal(await count('b', POST), 5)

  const refused = await aries('recover', file)
  t.equal(refused.code, 1)
  t.match(refused.stderr, /counter\/a has a state already.*--replace/)
  t.equal(await count('a'), 5, 'nothing was changed')

  // On each node once: the one that is asked has it open, or the other one.
  for (const node of ['n1', 'n2']) {
    const before = await owner('a')
    if (before.node !== node) await cluster.post('/api/workers/counter/a/move', { to: node })
    const { epoch } = await owner('a')
    const replaced = await aries('recover', file, '--replace')
    t.equal(replaced.code, 0, replaced.stderr)
    t.equal(await count('a'), 4, 'no read of the old state after it was answered')
    t.equal(await count('a', keyed), 4, 'it has the replies that it had given')
    t.ok((await owner('a')).epoch > epoch)
    t.equal(await count('a', POST), 5)
  }

  const broken = join(cluster.dir, 'broken')
  writeFileSync(broken, readFileSync(file).subarray(0, -1))
  const damaged = await aries('recover', broken, '--as', 'counter/c')
  t.equal(damaged.code, 1)
  t.match(damaged.stderr, /its digest is not that of its content/)
  const posted = await fetch(`http://${cluster.adminAddress}/api/workers/counter/c/recover`, {
    ...POST,
    headers: { 'content-type': 'application/x-aries-checkpoint' },
    body: readFileSync(broken),
  })
  t.equal(posted.status, 422)
  t.match(await posted.json(), { error: { code: 'ARIES_E_CHECKPOINT' } })
  t.equal(await count('c'), 0)

  const output = join(cluster.dir, 'b.checkpoint')
  const named = await aries('checkpoint', 'counter/b', '--output', output, '--json')
  t.match(JSON.parse(named.stdout), { key: 'b', bytes: statSync(output).size })
  t.equal(statSync(output).mode & 0o777, 0o600, 'nobody else may read it')
  t.match((await aries('checkpoint', 'counter/none', '--output', output)).stderr, /no worker/)
  t.ok(statSync(output).size > 0, 'a checkpoint that failed leaves the file of before')
  t.equal((await aries('recover', join(cluster.dir, 'none'))).code, 1)
}

/** Runs `aries`, which prints what is no text. */
function bytesOf(args: readonly string[]): Promise<Ran> {
  const options = { encoding: 'buffer', env: { ...process.env, NODE_OPTIONS: '' } } as const
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr: stderr.toString() }),
    )
  })
}
