import t from 'tap'
import type { ToSource } from '../../src/move/messages.ts'
import { SMALL_STATE_BYTES, Source, type SourceEffect } from '../../src/move/source.ts'

const hash = (name: string, value: Uint8Array): number => name.length * 1_000 + value.length
const section = (name: string, length: number) => ({ name, value: new Uint8Array(length) })
const heard = (message: ToSource) => ({ type: 'message', message }) as const
const told = (effects: readonly SourceEffect[]): string[] =>
  effects.map((effect) => (effect.do === 'send' ? `send ${effect.message.type}` : effect.do))

function source(stateBytes: number, target = 'n2'): Source {
  return new Source(
    {
      worker: 'c/k',
      node: 'n1',
      host: 1,
      target,
      epoch: 7,
      stateBytes,
      version: 1,
      prepareTimeoutMs: 100,
      copyTimeoutMs: 1_000,
      turnBudgetMs: 50,
      fenceTimeoutMs: 200,
    },
    hash,
  )
}

const quiet = {
  type: 'quiet',
  seq: 3,
  version: 1,
  count: 1,
  whole: undefined,
  sessions: [],
} as const

t.test('a small state goes whole with the fence', async (t) => {
  const core = source(SMALL_STATE_BYTES)
  t.same(told(core.handle({ type: 'begin' }, 0)), ['timer', 'send prepare'])
  t.same(told(core.handle(heard({ type: 'prepared' }), 1)), ['timer', 'pause'])
  const whole = [section('a', 5)]
  const effects = core.handle({ ...quiet, whole }, 2)
  t.match(effects[1], { message: { type: 'fence', whole, digest: hash('a', whole[0]!.value) } })
  const done = core.handle(heard({ type: 'committed', epoch: 8, commitMs: 1 }), 3)
  t.match(done[0], { do: 'hand-over', epoch: 8 })
  t.match(done.at(-1), { result: { kind: 'moved', epoch: 8 } })
})

t.test(
  'a large one is copied, its changes follow, and the fence waits for a target that keeps up',
  async (t) => {
    const core = source(SMALL_STATE_BYTES + 1)
    core.handle({ type: 'begin' }, 0)
    t.same(told(core.handle(heard({ type: 'prepared' }), 1)), ['timer', 'copy'])
    core.handle({ type: 'sections', seq: 1, set: [section('a', 5)] }, 2)
    const changes = { set: [section('b', 1)], remove: ['a'] }
    t.same(told(core.handle({ type: 'turn', seq: 2, changes }, 3)), ['send changes'])
    t.ok(core.hasSent('b'))
    t.notOk(core.hasSent('a'))
    t.same(told(core.handle({ type: 'copied' }, 4)), ['send probe'])
    t.same(told(core.handle(heard({ type: 'applied', n: 1 }), 40)), ['send probe'], 'it lags')
    t.same(core.handle(heard({ type: 'applied', n: 1 }), 41), [], 'an old answer')
    t.same(told(core.handle(heard({ type: 'applied', n: 2 }), 42)), ['timer', 'pause'])
    const late = { set: [section('c', 2)], remove: [] }
    t.same(told(core.handle({ type: 'turn', seq: 3, changes: late }, 43)), ['send changes'])
    const fence = core.handle(quiet, 44)[1]
    t.match(fence, { message: { whole: undefined, digest: 1_001 + 1_002 } })
  },
)

t.test('before the fence an abort changes nothing', async (t) => {
  const cases: [string, (core: Source) => SourceEffect[]][] = [
    ['prepare', (core) => core.handle({ type: 'timer', name: 'phase' }, 9)],
    ['prepare', (core) => core.handle({ type: 'link-lost' }, 9)],
    ['fence', (core) => core.handle({ type: 'timer', name: 'phase' }, 9)],
    ['fence', (core) => core.handle({ type: 'link-lost' }, 9)],
  ]
  for (const [phase, event] of cases) {
    const core = source(1)
    core.handle({ type: 'begin' }, 0)
    if (phase === 'fence') core.handle(heard({ type: 'prepared' }), 1)
    t.equal(core.phase, phase)
    const effects = event(core)
    const resumes = effects.filter((effect) => effect.do === 'resume')
    t.same(resumes, phase === 'fence' ? [{ do: 'resume', epoch: 7 }] : [])
    t.notOk(effects.some((effect) => effect.do === 'claim'))
    t.match(effects.at(-1), { result: { kind: 'aborted' } })
    t.same(core.handle(quiet, 10), [], 'over is over')
  }
})

t.test('after the fence only the store decides', async (t) => {
  const fenced = (target?: string): Source => {
    const core = source(1, target)
    core.handle({ type: 'begin' }, 0)
    core.handle(heard({ type: 'prepared' }), 1)
    core.handle({ ...quiet, whole: [] }, 2)
    return core
  }
  const claimed = (outcome: object) => ({ type: 'claimed', outcome }) as never
  for (const event of [
    { type: 'timer', name: 'phase' },
    { type: 'link-lost' },
    heard({ type: 'failed', why: 'digest' }),
  ] as const) {
    t.match(fenced().handle(event, 3)[1], { do: 'claim', fromEpoch: 7 })
  }
  const reclaim = (outcome: object, to?: string): SourceEffect[] => {
    const core = fenced(to)
    core.handle({ type: 'link-lost' }, 3)
    return core.handle(claimed(outcome), 4)
  }
  t.match(reclaim({ ok: true, epoch: 8, seq: 3 })[0], { do: 'resume', epoch: 8 })
  const target = { ok: false, why: 'conflict', node: 'n2', host: 1, epoch: 8, seq: 3 }
  t.match(reclaim(target)[0], { do: 'hand-over', epoch: 8 })
  t.match(reclaim({ ...target, node: 'n1' })[0], { do: 'resume', epoch: 8 }, 'an earlier claim')
  const sibling = { ...target, node: 'n1', host: 2 }
  t.match(
    reclaim(sibling, 'n1')[0],
    { do: 'hand-over', epoch: 8 },
    'the claim of another host of the same node',
  )
  t.match(reclaim({ ...target, node: 'n3', epoch: 9 })[0], { do: 'drop' })
  t.match(reclaim({ ok: false, why: 'fenced' })[0], { do: 'drop' })
  t.match(reclaim({ ok: false, why: 'unknown' }), [{ do: 'timer', name: 'reclaim' }])
})
