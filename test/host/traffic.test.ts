import t from 'tap'
import { Traffic } from '../../src/host/traffic.ts'

t.test('those with most messages are told of, as a mean, where they were last', async (t) => {
  const traffic = new Traffic()
  for (let second = 0; second < 60; second++) {
    for (let i = 0; i < 50; i++) traffic.note({ with: 'room/a', node: 'n1' }, 100)
    for (let i = 0; i < 5; i++) traffic.note({ address: '10.0.0.1' }, 10)
    if (second % 2 === 0) traffic.note({ node: 'n3' }, 1)
    traffic.sample(1_000)
  }
  const [most, next, ...rest] = traffic.told()
  t.match(most, { with: 'room/a', node: 'n1' })
  t.ok(Math.abs(most!.messagesPerSecond - 50) < 1 && Math.abs(most!.bytesPerSecond - 5_000) < 100)
  t.match(next, { address: '10.0.0.1' })
  t.strictSame(rest, [], 'too little')
  traffic.note({ with: 'room/a', node: 'n2' }, 100)
  t.equal(traffic.told()[0]!.node, 'n2', 'it has moved')
  for (let second = 0; second < 100; second++) traffic.sample(1_000)
  t.strictSame(traffic.told(), [], 'forgotten')
})

t.test(
  'a worker that talks to everybody is remembered with those that it talks to most',
  async (t) => {
    const traffic = new Traffic()
    for (let i = 0; i < 1_000; i++) {
      traffic.note({ with: `room/${i}`, node: 'n1' }, 1)
      for (let j = 0; j < 3; j++) traffic.note({ with: 'room/friend', node: 'n2' }, 1)
    }
    traffic.sample(10_000)
    const told = traffic.told()
    t.match(told[0], { with: 'room/friend' })
    t.ok(told.length <= 4)
  },
)
