import t from 'tap'
import { RequestLine } from '../../src/placement/request-line.ts'

const LIMITS = { queueMax: 3, queueTimeoutMs: 1_000 }

t.test('first come, first served; no more than there is room for', async (t) => {
  const line = new RequestLine<string>(LIMITS)
  t.same(
    ['a', 'b', 'c', 'd'].map((who) => line.join(who, 0)),
    [true, true, true, false],
  )
  t.equal(line.next(10), 'a')
  line.leave('a')
  line.leave('nobody')
  t.equal(line.next(10), 'b')
  t.equal(line.length, 2)
})

t.test('the newest first when the wait is long; whose time is up is out', async (t) => {
  const line = new RequestLine<string>(LIMITS)
  line.join('a', 0)
  line.join('b', 500)
  t.equal(line.next(550), 'b')
  t.same(line.expire(999), [])
  t.same(line.expire(1_000), ['a'])
  t.same(line.expire(1_600), ['b'])
  t.equal(line.next(1_600), undefined)
  t.equal(line.length, 0)
})
