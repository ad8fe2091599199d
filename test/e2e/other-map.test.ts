import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { NodeStatusInfo } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const COUNTERS = 20

t.test(
  'a node with another map under the same epoch takes nothing; the others go on',
  async (t) => {
    let map = './cluster.yaml'
    const cluster = await TestCluster.start({
      nodes: 3,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration fills it in.
      config: { map: '${TEST_MAP:-./cluster.yaml}' },
      env: (id) => (id === 'n3' ? { TEST_MAP: map } : {}),
    })
    t.teardown(() => cluster.stop())
    const statusOf = async (id: string): Promise<NodeStatusInfo | undefined> =>
      (await cluster.get('/api/status')).find((status) => status.id === id)

    map = './other.yaml'
    const text = readFileSync(join(cluster.dir, 'cluster.yaml'), 'utf8')
    writeFileSync(join(cluster.dir, map), text.replace(/speed: 1(?=\nfronts)/, 'speed: 5'))
    await cluster.terminate('n3')
    cluster.startNode('n3')
    await until('it says what is wrong', async () => {
      const { notes = [], ready } = (await statusOf('n3')) ?? {}
      return (
        ready === false && notes.includes('it takes no new workers until the maps are the same')
      )
    })
    await until('and so do the others', async () => {
      const notes = await Promise.all(['n1', 'n2'].map(async (id) => (await statusOf(id))?.notes))
      return notes.every((own) => own?.some((note) => /another map .* held by n3/.test(note)))
    })
    t.equal((await statusOf('n1'))?.ready, true, 'one wrong file does not stop the cluster')
    t.match(cluster.logs(100_000), /"level":"error".*"members":"n3".*another map under the same/)

    for (let i = 0; i < COUNTERS; i++) {
      const counted = await fetch(`${cluster.url}/counter/k${i}`, { method: 'POST' })
      t.equal(counted.status, 200)
    }
    const workers = await cluster.get('/api/workers')
    t.equal(workers.length, COUNTERS)
    t.same(
      workers.filter(({ node }) => node === 'n3'),
      [],
      'none of them is on it',
    )

    map = './cluster.yaml'
    await cluster.terminate('n3')
    cluster.startNode('n3')
    await cluster.readyNode('n3')
    await until('all is well', async () => (await statusOf('n1'))?.notes.length === 0)
    if (!t.passing()) t.comment(cluster.logs())
  },
)
