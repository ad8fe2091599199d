import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { configSchema } from '../../src/config/schema.ts'
import { createLogger } from '../../src/log.ts'
import type { HostClient } from '../../src/node/host-client.ts'
import { Hosts } from '../../src/node/hosts.ts'
import { openStore } from '../../src/store/open.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../helpers/until.ts'

const LEASE_MS = 600_000
const LOAD_TIMEOUT_MS = 10_000
/** What a test runner put there for itself is not for the processes of a node. */
delete process.env.NODE_OPTIONS

const defaults = configSchema.parse({
  listeners: [{ http: '127.0.0.1:1' }],
  routes: [{ path: '/', task: 'x' }],
})

/** The processes of a node that is not there; `crashes`: how often one ended that was not to end. */
async function start(t: { teardown: (end: () => Promise<void>) => void }) {
  const folder = mkdtempSync(join(tmpdir(), 'aries-hosts-'))
  const url = `sqlite:${join(folder, 'aries.db')}`
  const log = createLogger({ role: 'cli', id: 'test' }, 'silent')
  const store = await openStore({ log }, url)
  const incarnation = await store.register('n1', LEASE_MS)
  const answerBytesMax = defaults.host.bodyBytesMax
  const hosts: Hosts = new Hosts(
    { log, world: realWorld },
    {
      generation: 1,
      memoryMb: 256,
      classes: () => new Map(),
      spare: true,
      setup: (host) => ({
        node: 'n1',
        bind: '127.0.0.1',
        incarnation,
        host,
        store: url,
        tokens: [],
        classes: [],
        limits: defaults.host,
        calls: { ...defaults.calls, answerBytesMax },
        move: defaults.move,
        logLevel: 'silent',
      }),
    },
    {
      changed: () => undefined,
      down: () => undefined,
      resolve: () => Promise.reject(new Error('nobody calls')),
      reserve: () => 'nobody moves',
      arrived: () => undefined,
      gone: () => undefined,
    },
  )
  t.teardown(async () => {
    await hosts.stop(1_000)
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await hosts.start()
  return hosts
}

/** A process is current, another spare, and both are up. */
function isWhole(hosts: Hosts): boolean {
  const spare = hosts.infos.find(({ role }) => role === 'spare')
  return (hosts.current?.port ?? 0) !== 0 && (spare?.port ?? 0) !== 0
}

async function ended(host: HostClient): Promise<void> {
  process.kill(host.pid, 'SIGKILL')
  await until('it has ended', () => host.port === 0)
}

t.test('whatever ends, a node has a current host and a spare one again', async (t) => {
  const hosts = await start(t)
  const whole = () => until('there is a current host and a spare one', () => isWhole(hosts))
  await whole()

  // A deploy whose process dies before it is made the current one.
  const dead = await hosts.begin(2, LOAD_TIMEOUT_MS)
  await ended(dead)
  const before = hosts.current
  hosts.promote(dead)
  t.equal(hosts.current, before, 'one that has ended does not become current')

  // One that is on its way out dies while it is still current.
  const last = hosts.current!
  last.retiring = true
  await ended(last)
  await whole()
  t.not(hosts.current, last)

  // A deploy that failed hands back to one that is on its way out.
  const failed = await hosts.begin(3, LOAD_TIMEOUT_MS)
  const old = hosts.current!
  hosts.promote(failed)
  old.retiring = true
  hosts.giveUp(failed, old)
  t.not(hosts.current, old)
  await ended(failed)
  await whole()
  hosts.discard(old)

  // Every process at once.
  await Promise.all(hosts.all.filter(({ port }) => port !== 0).map(ended))
  await whole()
  const restarts = (): number => Math.max(...hosts.infos.map((info) => info.restarts))
  const crashed = restarts()
  t.ok(crashed > 0)

  // A deploy that succeeds ends the spare process of the old code: that is no crash.
  const next = await hosts.begin(4, LOAD_TIMEOUT_MS)
  hosts.promote(next)
  hosts.settle(4)
  await until('a spare of the new code', () => {
    return isWhole(hosts) && hosts.infos.every((p) => p.role !== 'spare' || p.generation === 4)
  })
  t.equal(hosts.current, next)
  t.equal(restarts(), crashed)
})
