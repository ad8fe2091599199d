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
] as const

t.test('messages survive any cut of the stream', async (t) => {
  const stream = Buffer.concat(messages.map((message) => encodeMessage(message)))
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
  }
})

t.test('what is too long or no message throws', async (t) => {
  t.throws(() => new MessageDecoder().push(Buffer.from([0xff, 0xff, 0xff, 0xff])))
  t.throws(() => new MessageDecoder().push(Buffer.from([0, 0, 0, 1, 0x05])))
})
