import t from 'tap'
import { Envelope, type EnvelopeInit, PAYLOAD_BYTES_MAX } from '../../src/gossip/envelope.ts'
import { DATAGRAM_BYTES_MAX } from '../../src/gossip/presets.ts'
import { keyId } from '../../src/keys.ts'

const PAYLOAD = Buffer.from('payload')
const map = { mapEpoch: 7, mapHash: '0123456789abcdef' }
const init = { selfId: 'n1', cluster: 'test', boot: 100, map }
const OLD = 'the old key'
const NEW = 'the new key'

function sender({ key = 'secret', ...change }: Change = {}): Envelope {
  const keys = key === '' ? [] : [key]
  return new Envelope({ ...init, keys, ...change })
}

function receiver(change: Change = {}): Envelope {
  return sender({ selfId: 'n2', boot: 200, ...change })
}

type Change = Partial<EnvelopeInit> & { readonly key?: string }

for (const key of ['secret', '']) {
  t.test(`with key "${key}"`, async (t) => {
    t.test('opens what was sealed for it, once', async (t) => {
      const to = receiver({ key })
      const bytes = sender({ key }).seal('n2', 200, PAYLOAD)
      t.match(to.open(bytes, 'n1'), { boot: 100, current: true, payload: PAYLOAD, ...map })
      t.equal(to.open(bytes, 'n1'), undefined, 'a replay')
    })

    t.test('no flipped bit, no cut, no other sender, receiver or cluster passes', async (t) => {
      const to = receiver({ key })
      const bytes = sender({ key }).seal('n2', 200, PAYLOAD)
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const damaged = Buffer.from(bytes)
        damaged[bit >> 3]! ^= 1 << (bit & 7)
        if (to.open(damaged, 'n1')) t.fail(`bit ${bit}`)
      }
      for (let length = 0; length < bytes.length; length++) {
        if (to.open(bytes.subarray(0, length), 'n1')) t.fail(`cut to ${length}`)
      }
      t.equal(to.open(bytes, 'n3'), undefined, 'from the address of another')
      t.equal(receiver({ key, selfId: 'n3' }).open(bytes, 'n1'), undefined, 'to another')
      t.equal(receiver({ key, cluster: 'prod' }).open(bytes, 'n1'), undefined, 'another cluster')
      t.ok(to.open(bytes, 'n1'))
    })

    t.test('what was recorded for an earlier life of the receiver is not current', async (t) => {
      const recorded = sender({ key }).seal('n2', 200, PAYLOAD)
      const restarted = receiver({ key, boot: 201 })
      t.match(restarted.open(recorded, 'n1'), { boot: 100, current: false })
    })

    t.test('what an earlier life of the sender wrote is not current', async (t) => {
      const to = receiver({ key })
      const recorded = sender({ key }).seal('n2', 200, PAYLOAD)
      t.match(to.open(sender({ key, boot: 101 }).seal('n2', 200, PAYLOAD), 'n1'), { current: true })
      t.match(to.open(recorded, 'n1'), { boot: 100, current: false })
    })

    t.test('a new boot of its own voids what was written for the old one', async (t) => {
      const to = receiver({ key })
      const from = sender({ key })
      to.setBoot(300)
      t.match(to.open(from.seal('n2', 200, PAYLOAD), 'n1'), { current: false })
      t.match(to.open(from.seal('n2', 300, PAYLOAD), 'n1'), { current: true })
      from.setBoot(150)
      t.match(to.open(from.seal('n2', 300, PAYLOAD), 'n1'), { boot: 150, current: true })
    })

    t.test('the largest payload makes no datagram that is too large', async (t) => {
      const selfId = 'n'.repeat(32)
      const bytes = sender({ key, selfId }).seal('n2', 200, Buffer.alloc(PAYLOAD_BYTES_MAX))
      t.ok(bytes.length <= DATAGRAM_BYTES_MAX)
      t.ok(receiver({ key }).open(bytes, selfId))
      t.equal(receiver({ key }).open(Buffer.concat([bytes, Buffer.alloc(99)]), selfId), undefined)
    })
  })
}

t.test('another key, or none, is not heard', async (t) => {
  const bytes = sender().seal('n2', 200, PAYLOAD)
  t.equal(receiver({ key: 'other' }).open(bytes, 'n1'), undefined)
  t.equal(receiver({ key: '' }).open(bytes, 'n1'), undefined)
  t.equal(receiver().open(sender({ key: '' }).seal('n2', 200, PAYLOAD), 'n1'), undefined)
})

t.test('with a key nothing can be read, and nothing comes out twice the same', async (t) => {
  const from = sender()
  const [first, second] = [from.seal('n2', 200, PAYLOAD), from.seal('n2', 200, PAYLOAD)]
  t.equal(first.includes(PAYLOAD), false)
  t.not(first.subarray(-23).toString('hex'), second.subarray(-23).toString('hex'))
})

t.test('two lives with one boot, as after a clock was set back, share no key', async (t) => {
  // Counters start again, so under one key the same nonce would seal two payloads.
  const [first, second] = [sender().seal('n2', 200, PAYLOAD), sender().seal('n2', 200, PAYLOAD)]
  t.not(first.subarray(-23).toString('hex'), second.subarray(-23).toString('hex'))
  const to = receiver()
  t.match(to.open(first, 'n1'), { current: true })
  t.match(to.open(second, 'n1'), { current: false }, 'one of them is not believed')
})

t.test('a sender of another map epoch is heard, and its epoch cannot be forged', async (t) => {
  const from = sender({ map: { mapEpoch: 8, mapHash: 'fedcba9876543210' } })
  const bytes = from.seal('n2', 200, PAYLOAD)
  t.match(receiver().open(bytes, 'n1'), { mapEpoch: 8, mapHash: 'fedcba9876543210' })
  from.setMap({ mapEpoch: 9, mapHash: '0011223344556677' })
  const changed = from.seal('n2', 200, PAYLOAD)
  const at = changed.indexOf(Buffer.from('090011223344556677', 'hex'))
  t.ok(at > 0, 'it stands in the header')
  changed[at] = 10
  t.equal(receiver().open(changed, 'n1'), undefined)
})

t.test('keys are replaced one after the other, and nothing is lost', async (t) => {
  const both = (keys: string[]): [Envelope, Envelope] => [sender({ keys }), receiver({ keys })]
  const [a, b] = both([OLD])
  const passes = (from: Envelope, id: string, to: Envelope): boolean =>
    to.open(from.seal(id, id === 'n2' ? 200 : 100, PAYLOAD), id === 'n2' ? 'n1' : 'n2')?.current ??
    false
  const talk = (): boolean => passes(a, 'n2', b) && passes(b, 'n1', a)
  t.ok(talk())
  for (const keys of [[OLD, NEW], [NEW, OLD], [NEW]]) {
    a.setKeys(keys)
    t.ok(talk(), 'one has taken the step')
    b.setKeys(keys)
    t.ok(talk(), 'both have')
  }
  const replayed = a.seal('n2', 200, PAYLOAD)
  t.match(b.open(replayed, 'n1'), { keyId: keyId(NEW) })
  b.setKeys([NEW, OLD])
  t.equal(b.open(replayed, 'n1'), undefined, 'a change of keys opens no window anew')
  a.setKeys([OLD])
  b.setKeys([NEW])
  t.notOk(passes(a, 'n2', b), 'a key that was removed is not accepted')
})

t.test('an answer as large as is allowed is no larger than the question', async (t) => {
  const [short, long] = [sender({ selfId: 'n' }), sender({ selfId: 'n'.repeat(32) })]
  for (const [from, to, name] of [
    [short, long, 'n'],
    [long, short, 'n'.repeat(32)],
  ] as const) {
    const other = name === 'n' ? 'n'.repeat(32) : 'n'
    const question = from.seal(other, 0, Buffer.alloc(100))
    const { answerBytesMax, current } = to.open(question, name)!
    t.equal(current, false)
    const answer = to.seal(name, 100, Buffer.alloc(answerBytesMax))
    t.ok(answer.length <= question.length && answer.length >= question.length - 8)
  }
})

t.test('what is shown of a key does not tell it', async (t) => {
  t.match(keyId('secret'), /^[0-9a-f]{8}$/)
  t.not(keyId('secret'), keyId('Secret'))
  t.equal(sender().seal('n2', 200, PAYLOAD).includes(Buffer.from('secret')), false)
})
