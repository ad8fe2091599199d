import t from 'tap'
import { release, releaseState } from '../../src/host/release.ts'
import { RESERVED, SectionState } from '../../src/worker/state.ts'

const LARGE = 8_192

t.test('a state gives its memory back at once, and nothing but its own', async (t) => {
  const shared = new Uint8Array(4 * LARGE).fill(7)
  const large = Array.from({ length: 100 }, () => new Uint8Array(LARGE))
  const reply = new Uint8Array(LARGE).fill(3)
  const view = shared.subarray(LARGE, 2 * LARGE)
  const small = new Uint8Array([1, 2, 3])
  const state = new SectionState([
    ...large.map((value, i) => [`large${i}`, value] as const),
    ['view', view],
    ['small', small],
    [`${RESERVED}reply`, reply],
  ])
  const released = releaseState(state)
  t.equal(state.sections.size, 0, 'whoever still reads finds nothing')
  t.equal(state.get('large1'), undefined)
  t.ok(
    large.some(({ byteLength }) => byteLength > 0),
    'not all in one turn of the event loop',
  )
  await released
  t.ok(large.every(({ byteLength }) => byteLength === 0))
  t.equal(view.byteLength, LARGE, 'others have views of the same memory')
  t.equal(shared[0], 7)
  t.same(small, [1, 2, 3])
  t.equal(reply[0], 3, 'a kept reply may be on its way to a client')
})

t.test('a piece of shared memory stays', async (t) => {
  const chunk = Buffer.allocUnsafeSlow(64)
  release(chunk.subarray(0, 32))
  t.equal(chunk.length, 64)
  release(chunk)
  t.equal(chunk.length, 0)
})
