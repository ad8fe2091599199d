import t from 'tap'
import type { Member } from '../../src/gossip/types.ts'
import { Admission, type AdmissionComponents } from '../../src/node/admission.ts'

function admissionAmong(...states: string[]): Admission {
  return admission(states.map((state, i) => ({ id: `n${i + 1}`, role: 'node', state })) as Member[])
}

function admission(members: readonly Member[]): Admission {
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
  const small = admissionAmong('alive', 'alive', 'unreachable', 'unreachable', 'unreachable')
  t.equal(small.refusal(), 'node n1 sees 2 of 5 nodes, fewer than half')
  const large = admissionAmong('alive', 'alive', 'suspect', 'unreachable', 'unreachable')
  t.equal(large.refusal(), undefined)
})

t.test('no worker begins where memory runs out', async (t) => {
  const of = (memoryBytes: number): Admission => {
    const load = { memoryBytes, memoryBytesMax: 100 }
    return admission([{ id: 'n1', role: 'node', state: 'alive', load }] as Member[])
  }
  const id = { class: 'counter', key: 'a' }
  t.equal(of(95).newcomer(id), undefined)
  t.equal(of(96).newcomer(id), 'node n1 has no memory for another worker')
  t.equal(of(96).refusal(id), undefined, 'what is here already may open again')
})
