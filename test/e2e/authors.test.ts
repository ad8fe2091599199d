import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'

/** The examples of a page that are whole modules, as an author would copy them. */
function examples(path: string): string[] {
  const page = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const blocks = Array.from(page.matchAll(/^```ts\n(.*?)^```/gms), ([, code]) => code!)
  return blocks.filter((code) => code.includes("from 'aries'") && code.includes('export default'))
}

t.test('modules that lie anywhere import what runs them, as the pages show it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'aries-authors-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = (name: string, code: string): string => {
    writeFileSync(join(folder, name), code)
    return join(folder, name)
  }
  const [counter] = examples('README.md')
  const [hello, room, ...others] = examples('docs/reference/worker.md')
  t.same(others, [], 'no other whole example on that page')
  const cluster = await TestCluster.start({
    nodes: 1,
    routes: [
      { path: '/visits/:key', worker: file('visits.ts', counter!) },
      { path: '/greeting', task: file('greeting.ts', hello!) },
      { path: '/lounge/:key', worker: file('lounge.ts', room!) },
      { path: '/bad/:key', worker: file('bad.ts', "import 'no-such-package'\n") },
    ],
  })
  t.teardown(() => cluster.stop())
  const ask = async (path: string): Promise<[status: number, body: string]> => {
    const response = await fetch(`${cluster.url}${path}`)
    return [response.status, await response.text()]
  }
  t.match(await ask('/visits/a'), [200, '{"key":"a","value":1,"node":"n1"}'])
  t.match(await ask('/greeting'), [200, 'hello from n1'])
  t.match(await ask('/lounge/a'), [200, '{"seq":0}'])

  await t.test('one that does not load is told to the client, and once in the log', async (t) => {
    const why = /class bad does not load: .*bad\.ts: Cannot find package 'no-such-package'/
    for (let i = 0; i < 3; i++) t.match(await ask('/bad/a'), [500, why])
    const told = cluster
      .logs()
      .split('\n')
      .filter((line) => why.test(line))
    t.equal(told.length, 1)
  })
})
