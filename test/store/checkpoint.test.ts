import { createHash } from 'node:crypto'
import t from 'tap'
import {
  CHECKPOINT_BYTES_MAX,
  decodeCheckpoint,
  encodeCheckpoint,
} from '../../src/store/checkpoint.ts'
import { FROZEN_SECTION } from '../../src/store/frozen.ts'

const id = { class: 'counter', key: 'a/ü' }
const state = {
  epoch: 3,
  seq: 12,
  version: 2,
  sections: [
    { name: 'empty', value: new Uint8Array(0) },
    { name: 'line\nbreak', value: Buffer.from('aries\n') },
    { name: '\u0001alarm', value: Uint8Array.of(0, 10, 255) },
    { name: FROZEN_SECTION, value: new Uint8Array(0) },
  ],
}
const file = (): Buffer =>
  Buffer.concat([...encodeCheckpoint(id, state, '2026-11-20T12:00:00.000Z')])

/** With a head of one's own, and the right digest. */
function forged(head: unknown, values = ''): Buffer {
  const text = Buffer.from(`aries-checkpoint 1\n${JSON.stringify(head)}\n${values}`)
  return Buffer.concat([text, createHash('sha256').update(text).digest()])
}

t.test('what was written is read, except that the worker was frozen', async (t) => {
  const { sections, ...head } = decodeCheckpoint(file())
  t.same(head, { ...id, epoch: 3, seq: 12, version: 2, takenAt: '2026-11-20T12:00:00.000Z' })
  t.same(
    sections.map(({ name, value }) => [name, [...value]]),
    state.sections.slice(0, 3).map(({ name, value }) => [name, [...value]]),
  )
  t.match(file().toString('latin1'), /^aries-checkpoint 1\n\{"class":"counter"/)
})

t.test('one changed, missing or added byte anywhere is found', async (t) => {
  const whole = file()
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 1
    t.throws(() => decodeCheckpoint(changed), { code: 'ARIES_E_CHECKPOINT' }, `byte ${at}`)
    t.throws(() => decodeCheckpoint(whole.subarray(0, at)), { code: 'ARIES_E_CHECKPOINT' })
  }
  const longer = Buffer.concat([whole, Buffer.from('x')])
  t.throws(() => decodeCheckpoint(longer), { code: 'ARIES_E_CHECKPOINT' })
})

t.test('a head that is wrong is found though the digest is right', async (t) => {
  const takenAt = '2026-11-20T12:00:00.000Z'
  const right = { class: 'c', key: 'k', version: 1, epoch: 1, seq: 1, takenAt, sections: [] }
  t.equal(decodeCheckpoint(forged(right)).key, 'k')
  const wrong: [unknown, string?][] = [
    [null],
    ['text'],
    [{ ...right, key: '' }],
    [{ ...right, version: -1 }],
    [{ ...right, seq: 1.5 }],
    [{ ...right, takenAt: '\u001b[31mred' }],
    [{ ...right, sections: undefined }],
    [{ ...right, sections: [['a', 1]] }],
    [{ ...right, sections: [['a', -1]] }],
    [{ ...right, sections: [['a', CHECKPOINT_BYTES_MAX]] }],
    [{ ...right, sections: [['a\0', 1]] }, 'x'],
    [{ ...right, sections: [['\u0001frozen', 0]] }],
    [
      {
        ...right,
        sections: [
          ['a', 1],
          ['a', 1],
        ],
      },
      'xy',
    ],
    [right, 'more than the head says'],
  ]
  for (const [head, values] of wrong) {
    t.throws(() => decodeCheckpoint(forged(head, values)), { code: 'ARIES_E_CHECKPOINT' })
  }
})
