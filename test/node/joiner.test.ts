import { pino } from 'pino'
import t, { type Test } from 'tap'
import { AriesError } from '../../src/errors.ts'
import { NO_META } from '../../src/gossip/claim.ts'
import type { GossipDriver, Member } from '../../src/gossip/types.ts'
import { Joiner } from '../../src/node/joiner.ts'
import type { Peers } from '../../src/peers.ts'
import { realWorld } from '../../src/world.ts'

// The timers of the world keep no process alive; in a node its sockets do.
const alive = setInterval(() => undefined, 1_000)
t.teardown(() => clearInterval(alive))

const TOLD = { id: 'x1', host: '10.0.0.9', gossip: 1, data: 2, admin: 3, cluster: 'test' }

function member(id: string, change: Partial<Member> = {}): Member {
  const ports = { gossipPort: 1, dataPort: 2, adminPort: 3 }
  const about = { role: 'node', host: '10.0.0.1', state: 'unreachable', boot: 0 } as const
  const rest = { version: 0, meta: NO_META, load: undefined, loadAgeMs: 0 }
  return { id, ...ports, ...about, ...rest, ...change }
}

const unreachable = (): never => {
  throw new AriesError('ARIES_E_NODE_UNREACHABLE', 'silent')
}

/** `answer`: what a seed does when it is asked for the `n`th time of all. */
function joiner(t: Test, answer: (seed: string, n: number) => unknown) {
  const asked: { readonly seed: string; readonly boot: number }[] = []
  const members = [
    member('n1'),
    member('n2'),
    member('f1', { role: 'front' }),
    member('x2', { joined: true }),
    member('x1', { joined: true, boot: 77, state: 'alive' }),
  ]
  const gossip = {
    selfId: 'x1',
    members: () => members,
    member: (id: string) => members.find((one) => one.id === id),
  } as unknown as GossipDriver
  const peers = {
    call: async (seed: string, _name: string, { boot }: { boot: number }) => {
      asked.push({ seed, boot })
      return answer(seed, asked.length)
    },
  } as unknown as Peers
  const log = pino({ level: 'silent' })
  const made = new Joiner({ peers, gossip, log, world: realWorld }, TOLD)
  t.teardown(() => made.stop())
  return { made, asked }
}

t.test('asks the nodes of the map until one answers, and tells its life', async (t) => {
  const { made, asked } = joiner(t, (seed) => (seed === 'n2' ? {} : unreachable()))
  await made.start()
  t.match(asked.at(-1), { seed: 'n2', boot: 77 })
  t.ok(asked.every(({ seed }) => seed === 'n1' || seed === 'n2'))
})

t.test('goes on while none answers', async (t) => {
  const { made, asked } = joiner(t, (_seed, n) => (n > 3 ? {} : unreachable()))
  await made.start()
  t.equal(asked.length, 4)
})

t.test('ends when one says no', async (t) => {
  const { made, asked } = joiner(t, () => {
    throw new AriesError('ARIES_E_JOIN_REFUSED', 'x1 cannot join: 2 have joined')
  })
  await t.rejects(made.start(), { code: 'ARIES_E_JOIN_REFUSED' })
  t.equal(asked.length, 1)
})

t.test('a stopped one stops', async (t) => {
  const { made } = joiner(t, unreachable)
  const started = made.start()
  made.stop()
  await started
  t.pass('it does not go on to ask')
})
