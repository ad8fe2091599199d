import t from 'tap'
import { Board, isUrgent, LOAD_AGE_MS_MAX, toldNews, urgencyStart } from '../../src/gossip/board.ts'
import type { LoadNews } from '../../src/gossip/packet.ts'
import { LOAD } from './helpers.ts'

function news(id: string, seq: number, ageMs: number, change: Partial<LoadNews> = {}): LoadNews {
  return { id, boot: 1, seq, ageMs, urgency: 0, load: LOAD, ...change }
}

function windowOf(board: Board, nowMs: number): LoadNews[] {
  const rows: LoadNews[] = []
  board.window(nowMs, (row) => rows.push(toldNews(row, nowMs)) > 0)
  return rows
}

t.test('the newer load stays, by boot and count, whatever its age says', async (t) => {
  const board = new Board()
  t.equal(board.ageMs('a', 5), Number.POSITIVE_INFINITY)
  t.equal(board.hear(news('a', 2, 10), 1_000), true)
  t.equal(board.hear(news('a', 1, 0), 1_000), false)
  t.equal(board.hear(news('a', 1, 500, { boot: 2, load: { ...LOAD, cpu: 3 } }), 1_000), true)
  t.equal(board.hear(news('a', 9, 0), 1_000), false)
  t.equal(board.load('a')?.cpu, 3)
  t.equal(board.ageMs('a', 1_100), 600)
})

t.test('the same load by a slower way is not made younger, nor by a faster one', async (t) => {
  const board = new Board()
  board.hear(news('a', 1, 100), 1_000)
  board.hear(news('a', 1, 40), 1_000)
  t.equal(board.ageMs('a', 1_000), 100)
  board.hear(news('a', 1, 130), 1_000)
  t.equal(board.ageMs('a', 1_000), 130)
})

t.test('a window has urgent rows first, then the freshest, with their ages of now', async (t) => {
  const board = new Board()
  board.hear(news('old', 1, 500), 1_000)
  board.hear(news('fresh', 1, 10), 1_000)
  board.hear(news('urgent', 1, 900, { urgency: 2 }), 1_000)
  board.hear(news('stale', 1, LOAD_AGE_MS_MAX), 1_000)
  const first = windowOf(board, 1_050)
  t.same(
    first.map(({ id, ageMs, urgency }) => [id, ageMs, urgency]),
    [
      ['urgent', 950, 1],
      ['fresh', 60, 0],
      ['old', 550, 0],
    ],
  )
  windowOf(board, 1_050)
  t.equal(windowOf(board, 1_050)[0]?.id, 'fresh', 'urgency wears off')
})

t.test('a window ends where the taker says', async (t) => {
  const board = new Board()
  for (const id of ['a', 'b', 'c']) board.hear(news(id, 1, 0), 0)
  const taken: string[] = []
  board.window(0, ({ id }) => taken.push(id) < 2)
  t.equal(taken.length, 2)
})

t.test('overload and full memory are urgent when they begin and when they end', async (t) => {
  const full = { ...LOAD, memoryBytes: LOAD.memoryBytesMax * 0.95 }
  const busy = { ...LOAD, requests: LOAD.requestsMax }
  t.equal(isUrgent(undefined, full), false)
  t.equal(isUrgent(LOAD, full), true)
  t.equal(isUrgent(full, busy), false)
  t.equal(isUrgent(busy, LOAD), true)
  t.equal(urgencyStart(16), 6)
})
