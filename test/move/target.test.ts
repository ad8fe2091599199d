import t from 'tap'
import { Digest } from '../../src/move/digest.ts'
import type { ToTarget } from '../../src/move/messages.ts'
import { Target, type TargetEffect } from '../../src/move/target.ts'

const hash = (name: string, value: Uint8Array): number =>
  name.charCodeAt(0) * 1_000 + (value[0] ?? 0)
const section = (name: string, byte: number) => ({ name, value: Uint8Array.of(byte) })
const told = (effects: readonly TargetEffect[]): string[] =>
  effects.map((effect) => (effect.do === 'send' ? `send ${effect.message.type}` : effect.do))

const PREPARE = {
  type: 'prepare',
  worker: 'c/k',
  from: 'n1',
  epoch: 7,
  stateBytes: 1,
  version: 1,
} as const

function copying(): (message: ToTarget) => TargetEffect[] {
  const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
  t.same(told(core.handle({ type: 'message', message: PREPARE }, 0)), ['timer', 'admit'])
  t.same(told(core.handle({ type: 'admitted', refusal: undefined, classVersion: 1 }, 1)), [
    'send prepared',
  ])
  return (message) => core.handle({ type: 'message', message }, 2)
}

const fence = (sections: Record<string, number>): ToTarget => {
  const digest = new Digest(hash)
  for (const [name, byte] of Object.entries(sections)) digest.set(name, Uint8Array.of(byte))
  const { count, value } = digest
  return { type: 'fence', seq: 3, version: 1, whole: undefined, count, digest: value, sessions: [] }
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
  core.handle({ type: 'message', message: PREPARE }, 0)
  const effects = core.handle({ type: 'admitted', refusal: 'no room', classVersion: 1 }, 1)
  t.same(told(effects), ['send refused', 'timer', 'end'])
})

t.test('once it claims it goes on whatever becomes of the source', async (t) => {
  const claiming = (): Target => {
    const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
    core.handle({ type: 'message', message: PREPARE }, 0)
    core.handle({ type: 'admitted', refusal: undefined, classVersion: 1 }, 1)
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

/** A target whose class has version 3, up to what the fence of a state of `version` brings. */
function fencedAt(version: number): { core: Target; effects: TargetEffect[] } {
  const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
  const prepare = { type: 'prepare', worker: 'c/k', from: 'n1', epoch: 7, stateBytes: 1 } as const
  core.handle({ type: 'message', message: { ...prepare, version: 1 } }, 0)
  core.handle({ type: 'admitted', refusal: undefined, classVersion: 3 }, 1)
  const message = { ...fence({}), version } as ToTarget
  return { core, effects: core.handle({ type: 'message', message }, 2) }
}

t.test('a state that the class here is too old for is refused, also at the fence', async (t) => {
  const core = new Target({ node: 'n2', host: 1, limitMs: 1_000 }, hash)
  const prepare = { type: 'prepare', worker: 'c/k', from: 'n1', epoch: 7, stateBytes: 1 } as const
  core.handle({ type: 'message', message: { ...prepare, version: 4 } }, 0)
  const [refused] = core.handle({ type: 'admitted', refusal: undefined, classVersion: 3 }, 1)
  t.match(refused, { message: { type: 'refused', code: 'ARIES_E_CLASS_OLDER' } })
  // The source migrated it in the meantime.
  const { effects } = fencedAt(4)
  t.match(effects[0], { message: { type: 'failed', code: 'ARIES_E_CLASS_OLDER' } })
  t.equal(effects.at(-1)?.do, 'end')
})

t.test('an older state is migrated before it is claimed', async (t) => {
  t.same(told(fencedAt(3).effects), ['timer', 'claim'], 'of this version')
  t.same(told(fencedAt(0).effects), ['timer', 'claim'], 'nothing was written yet')
  const { core, effects } = fencedAt(2)
  t.match(effects, [{ do: 'migrate', from: 2 }])
  const sections = new Map([['a', Uint8Array.of(1)]])
  const changes = { set: [section('a', 1)], remove: [] }
  const migrated = { sections, changes }
  t.same(told(core.handle({ type: 'migrated', migrated }, 3)), ['timer', 'claim'])
  const [open] = core.handle({ type: 'claimed', outcome: { ok: true, epoch: 8, seq: 3 } }, 4)
  t.match(open, { do: 'open', version: 2, sections, migrated: changes })
})

t.test('what cannot be migrated stays with the source', async (t) => {
  const { core } = fencedAt(2)
  const failure = { why: 'it threw', code: 'ARIES_E_MIGRATE_FAILED' } as const
  const effects = core.handle({ type: 'migrate-failed', failure }, 3)
  t.match(effects[0], { message: { type: 'failed', ...failure } })
  t.notOk(effects.some((effect) => effect.do === 'claim'))
  const gone = fencedAt(2).core
  t.same(told(gone.handle({ type: 'link-lost' }, 3)), ['timer', 'end'])
  const migrated = { sections: new Map(), changes: { set: [], remove: [] } }
  t.same(gone.handle({ type: 'migrated', migrated }, 4), [], 'a late end of migrate claims nothing')
})
