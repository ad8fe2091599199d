import t from 'tap'
import type { State } from '../../src/worker/index.ts'
import { SectionState } from '../../src/worker/state.ts'
import { workersBy } from '../../src/worker/workers.ts'
import Counter from '../../workers/counter.ts'

t.test('POST adds one, GET reads, anything else is refused', async (t) => {
  const state = new SectionState()
  const counter = new Counter({
    key: 'k',
    className: 'counter',
    node: 'n1',
    state: state as unknown as State<{ value: number }>,
    webSockets: new Set<never>(),
    tcpSockets: new Set<never>(),
    workers: workersBy(() => Promise.reject(new Error('it calls nobody'))),
    alarm: { get: () => null, set: () => undefined },
  })
  const ask = async (method: string): Promise<[number, unknown]> => {
    state.beginTurn()
    const response = counter.fetch(new Request('http://test/', { method }))
    state.endTurn()
    return [response.status, await response.json()]
  }
  t.same(await ask('GET'), [200, { key: 'k', value: 0, node: 'n1' }])
  t.same(await ask('POST'), [200, { key: 'k', value: 1, node: 'n1' }])
  t.same(await ask('POST'), [200, { key: 'k', value: 2, node: 'n1' }])
  t.equal((await ask('PUT'))[0], 405)
  t.same(await ask('GET'), [200, { key: 'k', value: 2, node: 'n1' }])
})
