import t from 'tap'
import { isMinority, quorumOf } from '../../src/gossip/quorum.ts'
import type { Member } from '../../src/gossip/types.ts'

function members(...states: string[]): Member[] {
  return states.map((state) => {
    const [role, refused] = [state.startsWith('front') ? 'front' : 'node', state === 'refused']
    const is = refused ? 'unreachable' : state.replace('front ', '')
    return { role, state: is, ...(refused ? { refused } : {}) } as unknown as Member
  })
}

t.test('who is out of sight counts, who is proved to be gone or has left does not', async (t) => {
  const cases: [string[], string, boolean][] = [
    [['alive', 'alive', 'unreachable'], '2 of 3', false],
    [['alive', 'unreachable', 'unreachable'], '1 of 3', true],
    [['alive', 'suspect', 'unreachable', 'unreachable'], '2 of 4', false],
    [['alive', 'unreachable'], '1 of 2', false],
    [['alive', 'refused', 'refused'], '1 of 1', false],
    [['alive', 'left', 'unreachable'], '1 of 2', false],
    [['alive', 'refused', 'unreachable', 'unreachable'], '1 of 3', true],
    [['alive', 'unreachable', 'unreachable', 'front alive', 'front alive'], '1 of 3', true],
  ]
  for (const [states, says, minority] of cases) {
    const quorum = quorumOf(members(...states))
    t.equal(`${quorum.seen} of ${quorum.of}`, says)
    t.equal(isMinority(quorum), minority, says)
  }
})
