import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const POST = { method: 'POST' }
const worker = fileURLToPath(new URL('fixtures/versioned.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'aries-versions-'))
const versionFile = join(folder, 'version')
process.env['VERSION_FILE'] = versionFile

t.test('a newer state goes to a node with newer code, and waits while there is none', async (t) => {
  writeFileSync(versionFile, '2')
  const route = { path: '/versioned/:key', worker }
  // Without spare hosts, which would have loaded the version of before.
  const cluster = await TestCluster.start({ nodes: 2, routes: [route] })
  t.teardown(async () => {
    await cluster.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const ask = async (key: string, init = {}): Promise<Record<string, unknown>> => {
    const response = await fetch(`${cluster.url}/versioned/${key}`, init)
    const answer = (await response.json()) as Record<string, unknown>
    return { ...answer, status: response.status }
  }
  const nodeOf = new Map<string, unknown>()
  for (let i = 0; i < 40 && new Set(nodeOf.values()).size < 2; i++) {
    nodeOf.set(`k${i}`, (await ask(`k${i}`, POST))['node'])
  }
  t.equal(new Set(nodeOf.values()).size, 2, 'both nodes have loaded version 2')
  const keyOf = (node: string): string => [...nodeOf].find(([, on]) => on === node)![0]

  /** Kills the host of a node; it comes back with the code of `version`. */
  const reload = async (node: string, version: number): Promise<void> => {
    writeFileSync(versionFile, String(version))
    const host = async (): Promise<{ pid: number } | undefined> =>
      (await cluster.get('/api/status'))
        .find(({ id }) => id === node)
        ?.processes.find(({ role, port }) => role === 'host' && port !== 0)
    const before = (await host())!.pid
    process.kill(before, 'SIGKILL')
    await until('the host is back', async () => ((await host())?.pid ?? before) !== before)
  }

  await reload('n1', 1)
  const key = keyOf('n1')
  t.match(await ask(key, POST), { status: 200, version: 2, count: 2, node: 'n2' }, 'n1 gave it up')
  t.match(await ask('new', POST), { status: 200, count: 1 }, 'a new one may live on either')
  await reload('n2', 1)
  t.match(await ask(key, POST), { status: 503, error: { code: 'ARIES_E_CLASS_OLDER' } })
  await reload('n1', 2)
  t.match(await ask(key, POST), { status: 200, version: 2, count: 3, node: 'n1' })
  if (!t.passing()) t.comment(cluster.logs())
})
