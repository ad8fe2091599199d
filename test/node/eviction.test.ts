import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Membership } from '../../src/gossip/types.ts'
import { createLogger } from '../../src/log.ts'
import { OpenWorkers } from '../../src/node/open-workers.ts'
import { Ownership, type OwnershipComponents } from '../../src/node/ownership.ts'
import type { Peers } from '../../src/peers.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { realWorld } from '../../src/world.ts'

const log = createLogger({ role: 'cli', id: 'test' }, 'silent')

/** An `Ownership` of node n1 on a real store, which counts the evictions asked of it. */
async function ownershipOf(
  t: Test,
): Promise<{ ownership: Ownership; asked: string[]; told: string[]; store: Store }> {
  const folder = mkdtempSync(join(tmpdir(), 'aries-evict-'))
  const store = await openStore({ log }, `sqlite:${join(folder, 'aries.db')}`)
  t.teardown(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const asked: string[] = []
  const told: string[] = []
  const counting = new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        if (name === 'evict') asked.push(`${args[0]} ${args[1]}`)
        return member.apply(target, args)
      }
    },
  })
  const incarnation = await store.register('n1', 600_000)
  const ownership = new Ownership(
    {
      store: counting,
      membership: {
        members: () => [],
        selfId: 'n1',
        member: () => undefined,
      } as unknown as Membership,
      peers: { call: async () => Promise.reject(new Error('nobody')) } as unknown as Peers,
      open: new OpenWorkers(),
      log,
      world: realWorld,
    } as unknown as OwnershipComponents,
    {
      node: 'n1',
      address: '127.0.0.1',
      incarnation: () => incarnation,
      refusal: () => undefined,
      classes: () => new Map(),
      evicted: (node) => told.push(node),
    },
  )
  return { ownership, asked, told, store }
}

t.test('all who find a node dead at once ask the store once', async (t) => {
  const { ownership, asked, told, store } = await ownershipOf(t)
  const incarnation = await store.register('n2', 600_000)
  ownership.noticed('n2', 'suspect')
  await Promise.all(Array.from({ length: 20 }, () => ownership.evict('n2', incarnation)))
  t.same(asked, [`n2 ${incarnation}`])
  t.same(told, ['n2'], 'one cleans up')
  const counts = ownership.times.counts.map(([{ phase }, count]) => [phase, count])
  t.same(Object.fromEntries(counts), { detect: 1, evict: 1, claim: 0, open: 0 })

  const next = await store.register('n2', 600_000)
  await ownership.evict('n2', next)
  t.same(asked, [`n2 ${incarnation}`, `n2 ${next}`], 'the next incarnation is another matter')
})
