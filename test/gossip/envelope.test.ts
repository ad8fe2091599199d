import t from 'tap'
import { Envelope, PAYLOAD_BYTES_MAX } from '../../src/gossip/envelope.ts'
import { DATAGRAM_BYTES_MAX } from '../../src/gossip/presets.ts'

const PAYLOAD = Buffer.from('payload')
const init = { selfId: 'n1', cluster: 'test', key: 'secret', boot: 100 }
const sender = (change = {}): Envelope => new Envelope({ ...init, ...change })
const receiver = (change = {}): Envelope =>
  new Envelope({ ...init, selfId: 'n2', boot: 200, ...change })

for (const key of ['secret', '']) {
  t.test(`with key "${key}"`, async (t) => {
    t.test('opens what was sealed for it, once', async (t) => {
      const to = receiver({ key })
      const bytes = sender({ key }).seal('n2', 200, PAYLOAD)
      t.same(to.open(bytes, 'n1'), { boot: 100, current: true, payload: PAYLOAD })
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
