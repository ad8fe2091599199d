import t from 'tap'
import type { Member } from '../../src/gossip/types.ts'
import { Admission, type AdmissionComponents } from '../../src/node/admission.ts'

function admission(...states: string[]): Admission {
  const members = states.map((state, i) => ({ id: `n${i + 1}`, role: 'node', state })) as Member[]
  const gossip = {
    members: () => members,
    member: (id: string) => members.find((member) => member.id === id),
    setMeta: () => undefined,
    mapCensus: () => ({ holders: 5, others: [] }),
  }
  return new Admission(
    { gossip, open: {} as AdmissionComponents['open'] },
    { node: 'n1', classes: () => new Map(), incarnation: () => 1, classRefusal: () => undefined },
  )
}

t.test('the smaller side of a partition takes no new workers, the other does', async (t) => {
  const small = admission('alive', 'alive', 'unreachable', 'unreachable', 'unreachable')
  t.equal(small.refusal(), 'node n1 sees 2 of 5 nodes, fewer than half')
  const large = admission('alive', 'alive', 'suspect', 'unreachable', 'unreachable')
  t.equal(large.refusal(), undefined)
})
