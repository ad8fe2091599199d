import t, { type Test } from 'tap'
import { SectionState } from '../../src/worker/state.ts'
import { isFrozenChange, StateGuard } from '../../src/worker/state-guard.ts'

interface Guarded {
  readonly state: SectionState
  /** One turn; throws what it throws, or what its end throws. */
  readonly turn: (run: (state: SectionState) => void) => void
}

function guarded(values: Record<string, unknown> = {}): Guarded {
  const state = new SectionState([], new StateGuard())
  const turn: Guarded['turn'] = (run) => {
    state.beginTurn()
    try {
      run(state)
    } catch (error) {
      state.rollBack()
      throw error
    }
    state.endTurn()
  }
  turn(() => {
    for (const [name, value] of Object.entries(values)) state.set(name, value)
  })
  return { state, turn }
}

/** Whether the change is caught, and leaves nothing behind. */
function caught(
  t: Test,
  value: unknown,
  change: (value: never) => void,
  how: 'at once' | 'at the end',
): void {
  const { state, turn } = guarded({ value })
  let isAtEnd = false
  try {
    turn(() => {
      change(state.get('value') as never)
      isAtEnd = true
    })
    t.fail('nothing was thrown')
  } catch (error) {
    t.equal(isAtEnd ? 'at the end' : 'at once', how)
    if (!isAtEnd) t.ok(isFrozenChange(error), String(error))
    else t.match(error, { message: /^state "value" was changed in place; .*change a copy/ })
  }
  t.same(state.get('value'), value, 'as it was')
  turn(() => {})
}

t.test('a change in place is caught', async (t) => {
  caught(t, [1, 2], (list: number[]) => list.push(3), 'at once')
  caught(t, [1, 2], (list: number[]) => list.pop(), 'at once')
  caught(t, [2, 1], (list: number[]) => list.sort((a, b) => a - b), 'at once')
  caught(t, [1, 2], (list: number[]) => (list.length = 0), 'at once')
  caught(t, { a: { b: 1 } }, (value: { a: { b: number } }) => value.a.b++, 'at once')
  caught(t, { a: 1 }, (value: { a?: number }) => delete value.a, 'at once')
  caught(t, { a: 1 }, (value: Record<string, number>) => (value['b'] = 1), 'at once')
  caught(t, { a: 1 }, (value: object) => Object.defineProperty(value, 'c', {}), 'at once')
  caught(t, new Map([['a', [1]]]), (map: Map<string, number[]>) => map.get('a')!.push(2), 'at once')
  caught(t, new Map([['a', 1]]), (map: Map<string, number>) => map.set('b', 2), 'at the end')
  caught(t, { in: new Set([1]) }, (value: { in: Set<number> }) => value.in.delete(1), 'at the end')
  caught(t, new Date(5), (date: Date) => date.setTime(6), 'at the end')
  caught(t, Uint8Array.of(1, 2), (bytes: Uint8Array) => (bytes[0] = 9), 'at the end')
  caught(t, Buffer.of(1, 2), (bytes: Buffer) => (bytes[0] = 9), 'at the end')
})

t.test('a change of a value that was kept from an earlier turn is caught', async (t) => {
  const { state, turn } = guarded({ tags: new Set(['a']) })
  let kept = new Set<string>()
  turn(() => (kept = state.get('tags') as Set<string>))
  t.throws(() => turn(() => kept.add('b')), { message: /state "tags" was changed in place/ })
  t.same(state.get('tags'), new Set(['a']))
})

t.test('what is set is not frozen under its author, and counts as it is at the end', async (t) => {
  const { state, turn } = guarded({ map: new Map([['a', 1]]) })
  const own = { list: [1] }
  turn(() => {
    state.set('own', own)
    own.list.push(2)
    ;(state.get('own') as typeof own).list.push(3)
    const map = state.get('map') as Map<string, number>
    map.set('b', 2)
    state.set('map', map)
  })
  own.list.push(4)
  t.notOk(Object.isFrozen(own))
  t.same(state.get('own'), { list: [1, 2, 3] }, 'not what was done to it later')
  t.same(
    state.get('map'),
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
  )
  t.throws(() => turn(() => (state.get('own') as typeof own).list.push(5)), TypeError)
})

t.test('reading harms nothing', async (t) => {
  const cycle: Record<string, unknown> = { a: [1n, undefined, Number.NaN, -0] }
  cycle['self'] = cycle
  const values = {
    cycle,
    pattern: /a+/g,
    failed: new RangeError('no'),
    map: new Map([[{ key: 1 }, { value: new Date(1) }]]),
    bytes: new Float32Array([1.5, 2]),
    large: new Map(Array.from({ length: 200_000 }, (_, i) => [i, i])),
    list: Array.from({ length: 200_000 }, (_, i) => i),
  }
  const { state, turn } = guarded(values)
  turn(() => {
    const copy = new Map(state.get('map') as Map<object, object>)
    copy.set({}, {})
    t.same([...(state.get('list') as number[])].reverse()[0], 199_999)
    for (const [name, value] of state.entries()) t.same(value, values[name as 'map'], name)
    t.ok((state.get('pattern') as RegExp).test('aa'))
  })
  t.same(state.get('map'), values.map)
})

t.test('without a guard nothing is frozen', async (t) => {
  const state = new SectionState(guarded({ list: [1] }).state.sections)
  const list = state.get('list') as number[]
  list.push(2)
  t.same(list, [1, 2])
})
