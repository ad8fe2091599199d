import { pack } from 'msgpackr'
import t from 'tap'
import { encodeMessage, MessageDecoder } from '../../src/move/codec.ts'

const messages = [
  { type: 'prepared' },
  {
    type: 'sections',
    seq: 3,
    set: [{ name: 'ä', value: Uint8Array.from({ length: 70_000 }, (_, i) => i % 256) }],
  },
  { type: 'abort', why: 'x' },
  {
    type: 'fence',
    seq: 4,
    version: 1,
    whole: [
      { name: 'empty', value: new Uint8Array(0) },
      { name: 'small', value: Uint8Array.of(1, 2, 3) },
      { name: 'large', value: new Uint8Array(5_000).fill(9) },
      { name: 'last', value: new Uint8Array(0) },
    ],
    count: 4,
    digest: 7,
    sessions: [{ unacknowledged: [Uint8Array.of(4, 5)] }],
  },
] as const

t.test('messages survive any cut of the stream', async (t) => {
  const stream = Buffer.concat(messages.flatMap((message) => encodeMessage(message)))
  for (const size of [1, 3, 7, 4_096, stream.length]) {
    const decoder = new MessageDecoder()
    const got: unknown[] = []
    for (let at = 0; at < stream.length; at += size) {
      got.push(...decoder.push(stream.subarray(at, at + size)))
    }
    t.equal(got.length, messages.length, `pieces of ${size}`)
    t.match([got[0], got[2]], [messages[0], messages[2]])
    const { set } = got[1] as (typeof messages)[1]
    t.equal(set[0].name, 'ä')
    t.equal(Buffer.compare(set[0].value, messages[1].set[0].value), 0)
    const { whole, ...fence } = got[3] as (typeof messages)[3]
    t.match(fence, { type: 'fence', seq: 4, count: 4, digest: 7 })
    t.match(fence.sessions, [{ unacknowledged: [Buffer.of(4, 5)] }])
    t.strictSame(
      whole.map(({ name, value }) => [name, [...value]]),
      messages[3].whole.map(({ name, value }) => [name, [...value]]),
    )
  }
})

t.test('what is too long or no message throws', async (t) => {
  t.throws(() => new MessageDecoder().push(Buffer.from([0xff, 0xff, 0xff, 0xff])))
  t.throws(() => new MessageDecoder().push(Buffer.from([0, 0, 0, 1, 0x05])))
  for (const value of [-1, 1.5, 2 ** 40, 'x', undefined, new Uint8Array(3)]) {
    const head = pack({ type: 'sections', seq: 1, set: [{ name: 'a', value }] })
    const stream = Buffer.concat([Buffer.of(0, 0, 0, head.length), head])
    t.throws(() => new MessageDecoder().push(stream), `a value of ${String(value)} bytes`)
  }
})
