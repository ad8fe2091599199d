import t from 'tap'
import { PRESETS, retransmitLimit, syncScale } from '../../src/gossip/presets.ts'

t.test('retransmits (memberlist TestRetransmitLimit)', async (t) => {
  t.equal(retransmitLimit(3, 0), 0)
  t.equal(retransmitLimit(3, 1), 3)
  t.equal(retransmitLimit(3, 99), 6)
})

t.test('table exchanges grow rare with size (memberlist TestPushPullScale)', async (t) => {
  t.equal(syncScale(1), 1)
  t.equal(syncScale(32), 1)
  t.equal(syncScale(33), 2)
  t.equal(syncScale(64), 2)
  t.equal(syncScale(65), 3)
  t.equal(syncScale(128), 3)
})

t.test('in every preset a probe has time for others to try', async (t) => {
  for (const [name, times] of Object.entries(PRESETS)) {
    t.ok(times.probeTimeoutMs < times.probeIntervalMs, name)
    t.ok(times.leaveMs >= times.gossipIntervalMs, name)
  }
})
