import t from 'tap'
import { PRESETS } from '../../../src/gossip/presets.ts'
import { BoardNews, TELL_MS } from '../../../src/sim/scaling/board-news.ts'
import { Server } from '../../../src/sim/scaling/server.ts'
import { VirtualClock } from '../../../src/sim/virtual-clock.ts'
import { seededRandom } from '../../../src/world.ts'

/**
 * Mean age in steps of entries heard of, `n` members, windows of `w` rows: Amar, Barak, Drezner, Okun,
 * CCPE 21, 2009, as coded in their gossip library.
 */
function closedForm(n: number, w: number): number {
  const horizon = ((n - 1) / n) * Math.log((w * (n - 1)) / (n - w))
  const grown = Math.exp((n * horizon) / (n - 1))
  const entries = (n * grown) / (n - 1 + grown)
  const inWindow = horizon - ((n - 1) / entries) * (Math.log(n - 1 + grown) - Math.log(n))
  return 1 / (1 - (1 - 1 / (n - 1)) ** entries) + inWindow
}

function meanAge(nodes: number): { ageMs: number; rows: number } {
  const clock = new VirtualClock()
  const server = new Server({ cores: 4, loop: false })
  const news = new BoardNews(
    { clock, random: seededRandom(1) },
    { nodes, fronts: 0, loadOf: () => server.tell(clock.nowMs()) },
  )
  let sum = 0
  let count = 0
  for (let atMs = 20_000; atMs <= 30_000; atMs += 1_000) {
    clock.runUntil(atMs)
    for (let member = 0; member < nodes; member++) {
      for (let node = 0; node < nodes; node++) {
        if (node === member) continue
        sum += news.ageMs(member, node)
        count++
      }
    }
  }
  return { ageMs: sum / count, rows: news.rowsPerWindow }
}

t.test('news is as old as the closed form has it', async (t) => {
  const { gossipIntervalMs, gossipFanout } = PRESETS.lan
  for (const nodes of [64, 128, 256]) {
    const { ageMs, rows } = meanAge(nodes)
    t.ok(rows > 10 && rows < 64, `${rows} rows in a datagram`)
    // A load is half of the time between two old when it leaves its own node.
    const stepMs = gossipIntervalMs / gossipFanout
    const expectedMs = closedForm(nodes, rows) * stepMs + TELL_MS / 2
    const off = ageMs / expectedMs - 1
    t.ok(Math.abs(off) < 0.2, `${nodes}: ${ageMs.toFixed(0)} ms, off by ${off.toFixed(3)}`)
  }
})
