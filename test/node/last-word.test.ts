import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Tokens } from '../../src/auth.ts'
import type { Member, MemberState, Membership } from '../../src/gossip/types.ts'
import { isAlone, LastWord } from '../../src/node/last-word.ts'
import { Peers } from '../../src/peers.ts'
import { realWorld } from '../../src/world.ts'

type Seen = Pick<Membership, 'member' | 'members' | 'selfId' | 'onChange' | 'reportRefused'>

/** What n1 has heard: n2 with its data port, and others. */
function heard(dataPort: number, others: readonly Partial<Member>[]): Seen {
  const place = { host: '127.0.0.1', role: 'node', state: 'suspect' }
  const members = [
    { ...place, id: 'n1', state: 'alive' },
    { ...place, id: 'n2', dataPort },
    ...others.map((other) => ({ ...place, ...other })),
  ] as Member[]
  return {
    selfId: 'n1',
    members: () => members,
    member: (id) => members.find((member) => member.id === id),
    onChange: () => () => {},
    reportRefused: () => {},
  }
}

const FRONT = { id: 'f1', role: 'front', state: 'alive' } as const

async function dataPort(t: Test, answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Patient: a machine that runs other tests answers late. `waitMs`: for who never will. */
function lastWord(t: Test, membership: Seen, waitMs = 20_000): LastWord {
  const peers = new Peers({ membership }, { tokens: new Tokens([]) })
  t.teardown(() => peers.close())
  return new LastWord({ membership, peers, world: realWorld }, { waitMs, usableMs: 5_000 })
}

t.test('a node that answers has spoken', async (t) => {
  const port = await dataPort(t, (_req, res) => res.end('{"incarnation":1}'))
  t.equal(await lastWord(t, heard(port, [FRONT])).spoken('n2'), true)
})

t.test('one that nobody listens for, or that is silent, has not', async (t) => {
  t.equal(await lastWord(t, heard(1, [FRONT])).spoken('n2'), false, 'refused')
  let asked = 0
  const port = await dataPort(t, () => asked++)
  const word = lastWord(t, heard(port, [FRONT]), 500)
  const both = await Promise.all([word.spoken('n2'), word.spoken('n2')])
  t.strictSame(both, [false, false], 'silent')
  t.equal(await word.spoken('n2'), false, 'what is known need not be awaited again')
  t.equal(asked, 1, 'asked once')
})

t.test('a connection that breaks proves nothing: it is asked again', async (t) => {
  let asked = 0
  const port = await dataPort(t, (req, res) => {
    if (asked++ === 0) req.socket.destroy()
    else res.end('{"incarnation":1}')
  })
  t.equal(await lastWord(t, heard(port, [FRONT])).spoken('n2'), true)
  t.equal(asked, 2)
})

t.test('who hears nobody takes no silence for a death, but a refusal', async (t) => {
  const deaf = [{ id: 'n3' }, { id: 'f1', role: 'front' }] as const
  const port = await dataPort(t, () => {})
  t.equal(
    await lastWord(t, heard(port, deaf), 500).spoken('n2'),
    true,
    'the silence may be its own',
  )
  t.equal(await lastWord(t, heard(1, deaf)).spoken('n2'), false)
})

t.test('alone is who hears none of the others that there are', async (t) => {
  const states = (...others: MemberState[]): Seen =>
    heard(
      1,
      others.map((state, i) => ({ id: `n${i + 3}`, state })),
    )
  t.equal(isAlone(states('alive'), 'node'), false)
  t.equal(isAlone(states('suspect', 'unreachable', 'left'), 'node'), true)
  t.equal(isAlone(heard(1, [FRONT]), 'node'), true, 'a front is no node')
  t.equal(isAlone(heard(1, [FRONT]), 'node', 'front'), false)
  t.equal(isAlone(heard(1, [FRONT]), 'front'), false)
  t.equal(isAlone({ ...heard(1, []), selfId: 'n2' }, 'front'), false, 'there is no other')
})

t.test(
  'who sees fewer than half of the nodes takes a refusal for proof, silence not',
  async (t) => {
    const gone = ['n3', 'n4', 'n5'].map((id) => ({ id, state: 'unreachable' }) as const)
    const silent = await dataPort(t, () => undefined)
    t.equal(await lastWord(t, heard(silent, [FRONT, ...gone]), 500).spoken('n2'), true)
    t.equal(await lastWord(t, heard(1, [FRONT, ...gone])).spoken('n2'), false)
    const proved = gone.map((member) => ({ ...member, refused: true }))
    t.equal(await lastWord(t, heard(silent, [FRONT, ...proved]), 500).spoken('n2'), false)
  },
)
