import t from 'tap'
import { SECTION_BYTES_MAX } from '../../src/worker/section.ts'
import { SectionState } from '../../src/worker/state.ts'

const turn = (state: SectionState, run: () => void) => {
  state.beginTurn()
  run()
  return state.endTurn()
}

t.test('a turn gives what it changed, and nothing else', async (t) => {
  const state = new SectionState()
  const first = turn(state, () => state.set('a', 1).set('b', { list: [1] }))
  t.same(
    first.set.map(({ name }) => name),
    ['a', 'b'],
  )
  const second = turn(state, () => {
    state.set('a', 1)
    state.set('c', 3)
    state.delete('c')
    state.delete('b')
  })
  t.same(second, { set: [], remove: ['b'] })
  t.same([...state.entries()], [['a', 1]])
  t.equal(state.size, 1)
})

t.test('values come back from their sections as they were', async (t) => {
  const values = {
    map: new Map([[{ a: 1 }, new Set([1n, 2n])]]),
    date: new Date(5),
    bytes: Uint8Array.of(1, 2),
    nothing: undefined,
    deep: { a: [null, { b: 'ü' }] },
  }
  const state = new SectionState()
  turn(state, () => {
    for (const [name, value] of Object.entries(values)) state.set(name, value)
  })
  const copy = new SectionState(state.sections)
  t.same(Object.fromEntries(copy.entries()), values)
  t.equal(copy.bytes, state.bytes)
  t.ok(copy.has('nothing'))
})

t.test('rolled back, everything is as before, inside of objects too', async (t) => {
  const state = new SectionState()
  turn(state, () => state.set('list', [1]).set('kept', 'x'))
  state.beginTurn()
  ;(state.get('list') as number[]).push(2)
  state.set('new', 1)
  state.delete('kept')
  t.equal(state.size, 2)
  state.rollBack()
  t.same(state.get('list'), [1])
  t.same([...state.keys()], ['list', 'kept'])
  t.equal(state.size, 2)
})

t.test('bytes are counted as sections come, change and go', async (t) => {
  const state = new SectionState()
  turn(state, () => state.set('a', 'x'.repeat(100)))
  const one = state.bytes
  turn(state, () => state.set('b', 'y'))
  turn(state, () => state.set('a', 'x'))
  t.ok(state.bytes < one)
  turn(state, () => {
    state.delete('a')
    state.delete('b')
  })
  t.equal(state.bytes, 0)
})

t.test(
  'changes outside a turn, bad names and what is no data throw, and change nothing',
  async (t) => {
    const state = new SectionState()
    t.throws(() => state.set('a', 1), /outside a turn/)
    t.throws(() => state.delete('a'), /outside a turn/)
    state.beginTurn()
    t.throws(() => state.set('', 1), /bytes of Unicode text/)
    t.throws(() => state.set('x'.repeat(513), 1), /bytes of Unicode text/)
    state.set('good', 1)
    state.set('bad', { inside: () => 1 })
    t.throws(() => state.endTurn(), /cannot be stored/)
    t.equal(state.size, 0)
    t.notOk(state.has('good'))
    state.beginTurn()
    state.set('huge', new Uint8Array(SECTION_BYTES_MAX + 1))
    t.throws(() => state.endTurn(), /one entry may have/)
    t.equal(state.sections.size, 0)
  },
)

t.test('a turn that cannot be encoded undoes also what it changed in place', async (t) => {
  const state = new SectionState()
  turn(state, () => state.set('list', [1]).set('bytes', Buffer.from([1, 2])))
  const copy = new SectionState(state.sections)
  t.throws(() =>
    turn(copy, () => {
      ;(copy.get('list') as number[]).push(2)
      ;(copy.get('bytes') as Uint8Array)[0] = 9
      copy.set('f', () => 1)
    }),
  )
  t.same(copy.get('list'), [1])
  t.same([...(copy.get('bytes') as Uint8Array)], [1, 2])
})
