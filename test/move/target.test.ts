import t from 'tap'
import { Digest } from '../../src/move/digest.ts'
import type { ToTarget } from '../../src/move/messages.ts'
import { Target, type TargetEffect } from '../../src/move/target.ts'

const hash = (name: string, value: Uint8Array): number =>
  name.charCodeAt(0) * 1_000 + (value[0] ?? 0)
const section = (name: string, byte: number) => ({ name, value: Uint8Array.of(byte) })
const told = (effects: readonly TargetEffect[]): string[] =>
  effects.map((effect) => (effect.do === 'send' ? `send ${effect.message.type}` : effect.do))

function copying(): (message: ToTarget) => TargetEffect[] {
  const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
  const prepare = { type: 'prepare', worker: 'c/k', from: 'n1', epoch: 7, stateBytes: 1 } as const
  t.same(told(core.handle({ type: 'message', message: prepare }, 0)), ['timer', 'admit'])
  t.same(told(core.handle({ type: 'admitted', refusal: undefined }, 1)), ['send prepared'])
  return (message) => core.handle({ type: 'message', message }, 2)
}

const fence = (sections: Record<string, number>): ToTarget => {
  const digest = new Digest(hash)
  for (const [name, byte] of Object.entries(sections)) digest.set(name, Uint8Array.of(byte))
  const { count, value } = digest
  return { type: 'fence', seq: 3, whole: undefined, count, digest: value, sessions: [] }
}

t.test('what comes late, twice or out of order is put in order', async (t) => {
  const say = copying()
  say({ type: 'changes', seq: 3, set: [section('a', 3)], remove: ['b'] })
  say({ type: 'sections', seq: 1, set: [section('a', 1), section('b', 1), section('c', 1)] })
  say({ type: 'changes', seq: 2, set: [section('a', 2), section('b', 2)], remove: [] })
  say({ type: 'changes', seq: 3, set: [section('a', 3)], remove: ['b'] })
  t.same(told(say(fence({ a: 3, c: 1 }))), ['timer', 'claim'])
})

t.test('a state that is not the one of the digest is not claimed', async (t) => {
  const say = copying()
  say({ type: 'sections', seq: 1, set: [section('a', 1)] })
  t.same(told(say(fence({ a: 2 }))), ['send failed', 'timer', 'end'])
  const missing = copying()
  t.same(told(missing(fence({ a: 1 }))), ['send failed', 'timer', 'end'])
})

t.test(
  'nothing is claimed without a fence, and a lost source is forgotten before it',
  async (t) => {
    const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
    t.same(core.handle({ type: 'message', message: fence({}) }, 0), [])
    t.same(told(core.handle({ type: 'link-lost' }, 1)), ['timer', 'end'])
  },
)

t.test('a refusal ends it', async (t) => {
  const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
  const prepare = { type: 'prepare', worker: 'c/k', from: 'n1', epoch: 7, stateBytes: 1 } as const
  core.handle({ type: 'message', message: prepare }, 0)
  const effects = core.handle({ type: 'admitted', refusal: 'no room' }, 1)
  t.same(told(effects), ['send refused', 'timer', 'end'])
})

t.test('once it claims it goes on whatever becomes of the source', async (t) => {
  const claiming = (): Target => {
    const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
    const prepare = { type: 'prepare', worker: 'c/k', from: 'n1', epoch: 7, stateBytes: 1 } as const
    core.handle({ type: 'message', message: prepare }, 0)
    core.handle({ type: 'admitted', refusal: undefined }, 1)
    core.handle({ type: 'message', message: fence({}) }, 2)
    t.same(core.handle({ type: 'link-lost' }, 3), [])
    t.same(core.handle({ type: 'message', message: { type: 'abort', why: '' } }, 3), [])
    return core
  }
  const outcome = (given: object): TargetEffect[] =>
    claiming().handle({ type: 'claimed', outcome: given } as never, 4)
  t.match(outcome({ ok: true, epoch: 8, seq: 3 }), [
    { do: 'open', epoch: 8, sections: new Map() },
    { message: { type: 'committed', epoch: 8 } },
  ])
  t.match(outcome({ ok: true, epoch: 8, seq: 4 })[0], { do: 'open', sections: undefined })
  t.same(told(outcome({ ok: false, why: 'unknown' })), ['timer'])
  t.same(told(outcome({ ok: false, why: 'fenced' })), ['send failed', 'timer', 'end'])
  const conflict = { ok: false, why: 'conflict', node: 'n2', host: 1, epoch: 8, seq: 3 }
  t.match(outcome(conflict)[0], { do: 'open', sections: new Map() }, 'an earlier claim of ours')
  t.match(outcome({ ...conflict, seq: 5 })[0], { do: 'open', sections: undefined })
  t.same(told(outcome({ ...conflict, host: 2 })), ['send failed', 'timer', 'end'], 'of a sibling')
  t.same(told(outcome({ ...conflict, node: 'n1' })), ['send failed', 'timer', 'end'])
})

t.test('the digest does not depend on order or history', async (t) => {
  const a = new Digest(hash)
  const b = new Digest(hash)
  a.set('x', Uint8Array.of(1))
  a.set('y', Uint8Array.of(2))
  a.set('x', Uint8Array.of(3))
  a.set('z', Uint8Array.of(9))
  a.remove('z')
  b.set('y', Uint8Array.of(2))
  b.set('x', Uint8Array.of(3))
  t.equal(a.value, b.value)
  t.equal(a.count, 2)
})
