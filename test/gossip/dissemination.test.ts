import t from 'tap'
import { Dissemination } from '../../src/gossip/dissemination.ts'

t.test('least sent first, then newest; at its limit it is gone', async (t) => {
  const news = new Dissemination()
  for (const id of ['a', 'b', 'c']) news.add(id)
  t.same(news.queue(), ['c', 'b', 'a'])
  news.sent('c', 2)
  t.same(news.queue(), ['b', 'a', 'c'])
  news.sent('c', 2)
  t.same(news.queue(), ['b', 'a'])
})

t.test('newer news of a member replaces older and counts anew', async (t) => {
  const news = new Dissemination()
  news.add('a')
  news.add('b')
  news.sent('a', 3)
  news.sent('a', 3)
  news.add('a')
  t.same(news.queue(), ['a', 'b'])
  t.equal(news.size, 2)
  news.forget('a')
  news.sent('a', 3)
  t.same(news.queue(), ['b'])
})
