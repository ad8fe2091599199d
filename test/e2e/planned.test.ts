import t from 'tap'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'
import { drainUnderLoad } from './drain.ts'
import { moveUnderLoad } from './move.ts'
import { restartUnderLoad } from './restart.ts'
import { moveRoom } from './room.ts'

// On one cluster: to start one takes seconds of CPU.
t.test('what is planned, no client notices', async (t) => {
  const cluster = await TestCluster.start({ nodes: 2, config: { move: PATIENT_MOVES } })
  t.teardown(() => cluster.stop())
  await t.test('a counter is moved under load', (t) => moveUnderLoad(t, cluster))
  await t.test('a room with WebSockets is moved', (t) => moveRoom(t, cluster))
  await t.test('a node is drained, stopped and started', (t) => drainUnderLoad(t, cluster))
  await t.test('every node is restarted', (t) => restartUnderLoad(t, cluster))
  if (!t.passing()) t.comment(cluster.logs())
})
