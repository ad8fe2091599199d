import t from 'tap'
import { Dissemination } from '../../src/gossip/dissemination.ts'

/** Sends as many as there is room for; returns what there was to send, in order. */
function send(news: Dissemination, limit: number, room = Number.POSITIVE_INFINITY): string[] {
  const sent: string[] = []
  news.send(limit, (id) => {
    if (sent.length >= room) return false
    sent.push(id)
    return true
  })
  return sent
}

t.test('least sent first, then newest; at its limit it is gone', async (t) => {
  const news = new Dissemination()
  for (const id of ['a', 'b', 'c']) news.add(id)
  t.same(send(news, 2, 1), ['c'])
  t.same(send(news, 2), ['b', 'a', 'c'])
  t.same(send(news, 2, 1), ['b'])
  t.same(send(news, 2), ['a'])
  t.equal(news.size, 0)
})

t.test('newer news of a member replaces older and counts anew', async (t) => {
  const news = new Dissemination()
  news.add('a')
  news.add('b')
  send(news, 3)
  news.add('a')
  t.equal(news.size, 2)
  t.same(send(news, 3), ['a', 'b'])
  news.forget('a')
  news.forget('a')
  t.same(send(news, 3), ['b'])
  t.equal(news.size, 0)
})
