import t from 'tap'
import { mapSchema } from '../../src/config/schema/map.ts'
import { NO_META } from '../../src/gossip/claim.ts'
import type { GossipDriver, JoinedNode, Member } from '../../src/gossip/types.ts'
import { welcome } from '../../src/node/welcome.ts'
import type { Rpc } from '../../src/rpc.ts'

const MAP = mapSchema.parse({
  cluster: 'test',
  epoch: 1,
  join: { max: 2 },
  nodes: [{ id: 'n1', host: '10.0.0.1', gossip: 1, data: 2, admin: 3 }],
})
const PARAMS = {
  id: 'x1',
  host: '10.0.0.9',
  gossip: 11,
  data: 12,
  admin: 13,
  boot: 100,
  cluster: 'test',
}

function joined(id: string, port: number, change: Partial<Member> = {}): Member {
  return {
    id,
    role: 'node',
    host: '10.0.0.9',
    gossipPort: port,
    dataPort: port + 1,
    adminPort: port + 2,
    state: 'alive',
    joined: true,
    boot: 100,
    version: 1,
    meta: NO_META,
    load: undefined,
    loadAgeMs: Number.POSITIVE_INFINITY,
    ...change,
  }
}

/** Who was let in beside `members`; throws when nobody was. */
function ask(members: readonly Member[], change: object = {}): JoinedNode | undefined {
  let node: JoinedNode | undefined
  const gossip: Pick<GossipDriver, 'members' | 'join'> = {
    members: () => members,
    join: (one) => {
      node = one
    },
  }
  welcome(gossip, MAP, { ...PARAMS, ...change } as Rpc['join']['params'])
  return node
}

t.test('a node is let in, and again, and its next life elsewhere', async (t) => {
  t.match(ask([]), { id: 'x1', host: '10.0.0.9', data: 12, boot: 100 })
  t.match(ask([joined('x1', 11)]), { boot: 100 })
  t.match(ask([joined('x1', 51)], { boot: 101 }), { gossip: 11, boot: 101 })
  t.match(ask([joined('x1', 11, { state: 'unreachable', boot: 200 })]), { id: 'x1' })
})

t.test('why it is not', async (t) => {
  const refused = (words: RegExp) => ({ code: 'ARIES_E_JOIN_REFUSED', message: words })
  t.throws(() => ask([], { cluster: 'prod' }), refused(/this is cluster test, not prod/))
  t.throws(() => ask([], { id: 'n1' }), refused(/a member "n1" of its own/))
  const two = [joined('x2', 21), joined('x3', 31)]
  t.throws(() => ask(two), refused(/2 have joined, and the map lets no more in/))
  t.match(ask([two[0]!, joined('x3', 31, { state: 'left' })]), { id: 'x1' })
  t.throws(() => ask([joined('x2', 13)]), refused(/x2 has one of its ports/))
  t.throws(() => ask([joined('x1', 51, { boot: 200 })]), refused(/10.0.0.9:52 is x1 already/))
})

t.test('what is no node', async (t) => {
  const bad = [{ id: 'X' }, { gossip: 0 }, { data: '12' }, { boot: 0 }, { boot: 1.5 }, { more: 1 }]
  for (const change of bad) {
    t.throws(() => ask([], change), { code: 'ARIES_E_BAD_REQUEST' }, JSON.stringify(change))
  }
})
