import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { KeysInfo } from '../../src/key-ring.ts'
import { keyId } from '../../src/keys.ts'
import { aries } from '../cli/aries.ts'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { Traffic } from './traffic.ts'

const OLD = 'the key that is to be replaced'
const COUNTERS = 20

t.test('a new key for every member under load: nothing fails, nobody is suspected', async (t) => {
  const folder = t.testdir()
  const keyFile = (id: string): string => join(folder, `${id}.key`)
  for (const id of ['n1', 'n2', 'f1']) writeFileSync(keyFile(id), `${OLD}\n`, { mode: 0o600 })
  const env = (id: string): Record<string, string> => ({ TEST_KEY_FILE: keyFile(id) })
  const cluster = await TestCluster.start({
    nodes: 2,
    env,
    config: {
      key: '',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration fills it in.
      keyFile: '${TEST_KEY_FILE}',
      gossip: { preset: 'lan' },
      move: PATIENT_MOVES,
    },
  })
  t.teardown(() => cluster.stop())
  const traffic = await Traffic.start(t, cluster, {
    perSecond: 100,
    counter: '/counter',
    keys: COUNTERS,
    task: '/hello',
    taskEvery: 10,
    room: '/room',
    chatters: 4,
  })
  await until('every counter has counted', () => traffic.counting >= COUNTERS * 0.9)
  const suspicions = (): number => cluster.logs(100_000).split('"state":"suspect"').length
  const before = suspicions()
  const admin = ['--admin', cluster.adminAddress]

  const options = ['--json', '--config', cluster.configFile, ...admin]
  const rotated = await aries(['keys', 'rotate', ...options], { env: env('n1') })
  t.equal(rotated.code, 0, rotated.stderr)
  const infos = JSON.parse(rotated.stdout) as KeysInfo[]
  const [id] = infos[0]!.accepts
  t.not(id, keyId(OLD))
  t.same(
    infos.map((info) => [info.id, info.accepts]),
    ['f1', 'n1', 'n2'].map((member) => [member, [id]]),
  )
  for (const member of ['n1', 'n2', 'f1']) {
    const text = readFileSync(keyFile(member), 'utf8')
    t.notMatch(text, OLD, 'the old key is gone')
    t.equal(statSync(keyFile(member)).mode & 0o777, 0o600)
  }
  const [key] = readFileSync(keyFile('n1'), 'utf8').split('\n').slice(1)
  t.notMatch(cluster.logs(100_000), key!, 'no key is logged')
  t.notMatch(cluster.logs(100_000), OLD)

  const status = await aries(['keys', 'status', ...admin], {})
  t.match(status.stdout, new RegExp(`n2 +${id} +- +key file +${id}`))
  const sent = traffic.load.sent
  await until('the load goes on', () => traffic.load.sent > sent + 50)
  const calls = await fetch(`http://127.0.0.1:${cluster.dataPort('n1')}/rpc/ping`, {
    method: 'POST',
    body: '{}',
  })
  t.equal(calls.status, 401, 'the data port asks for the token still')
  const metrics = await (await fetch(`${cluster.adminUrl('n2')}/metrics`)).text()
  t.match(metrics, new RegExp(`aries_gossip_opened_total\\{[^}]*key="${id}"[^}]*\\} [1-9]`))
  t.equal(suspicions(), before, 'nobody was suspected')

  const moved = await aries(['move', 'counter/k1', 'n1', ...admin], {})
  t.ok(moved.code === 0 || /already on n1/.test(moved.stderr), moved.stderr)
  await traffic.end(t)
  if (!t.passing()) t.comment(cluster.logs())

  await cluster.terminate('n2')
  const refused = await aries(['keys', 'rotate', ...options], { env: env('n1') })
  t.equal(refused.code, 1)
  t.match(refused.stderr, /not alive: n2/)
})
