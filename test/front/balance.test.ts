import t from 'tap'
import { balanceSchema } from '../../src/config/schema/balance.ts'
import { AriesError } from '../../src/errors.ts'
import { Balancing } from '../../src/front/balance/balancing.ts'
import { TaskPicker, taskHeaders } from '../../src/front/balance/task.ts'
import { UpstreamPicker } from '../../src/front/balance/upstreams.ts'
import { Board } from '../../src/front/board.ts'
import { BoardWriter } from '../../src/front/board-writer.ts'
import { Meters, RouteMeter } from '../../src/front/meters.ts'
import { emptyStats } from '../../src/front/metrics.ts'
import { Nodes } from '../../src/front/nodes.ts'
import type { AttemptFailure, Target } from '../../src/front/plan.ts'
import { seededRandom } from '../../src/world.ts'
import { itemOf, log, node, requestHead } from './stubs.ts'

const random = seededRandom(11)

function failure(target: Target, phase: AttemptFailure['phase'] = 'connect'): AttemptFailure {
  return { target, phase, error: new AriesError('ARIES_E_NODE_UNREACHABLE', target.id) }
}

/** All that a shard balances by, with what was found unreachable. */
function balancing(board: Board, nodes: Nodes) {
  const failed: string[] = []
  const found = (id: string): void => void failed.push(id)
  const stats = emptyStats()
  const made = new Balancing(
    {
      log,
      random,
      board,
      nodes,
      stats,
      meters: new Meters(),
      onPoolFailed: found,
      onUpstreamFailed: found,
    },
    balanceSchema.parse({}),
  )
  return { made, failed, stats }
}

/** A target that was named at once. */
function atOnce(picked: Target | Promise<Target>): Target {
  if (picked instanceof Promise) throw new Error('it waits')
  return picked
}

function tasks(ids: string[]) {
  const board = new Board()
  const writer = new BoardWriter({ board, log })
  const members = ids.map((id, i) => node(id, {}, { poolPort: 7_000 + i }))
  writer.refresh(members, 0)
  const nodes = new Nodes({ board, random })
  nodes.set(writer.views(members))
  const { made, failed, stats } = balancing(board, nodes)
  const { inFlight } = made.tasks.chooser.loads
  const picker = (): TaskPicker =>
    new TaskPicker(
      made.tasks,
      { line: made.taskLine('normal'), meter: new RouteMeter() },
      taskHeaders('t', 'tok'),
    )
  return { inFlight, failed, stats, picker }
}

t.test('a task is tried at every node once, then its last error is the answer', async (t) => {
  const { inFlight, failed, stats, picker } = tasks(['n1', 'n2', 'n3', 'n4'])
  const one = picker()
  let target = atOnce(one.pick())
  t.same(target.headers, [
    ['aries-task', 't'],
    ['aries-auth', 'tok'],
  ])
  const tried = [target.id]
  for (let i = 0; i < 3; i++) {
    target = atOnce(one.pick(failure(target, i === 0 ? 'waiting' : 'connect')))
    tried.push(target.id)
  }
  t.same(tried.toSorted(), ['n1', 'n2', 'n3', 'n4'])
  t.throws(() => one.pick(failure(target)), { code: 'ARIES_E_NODE_UNREACHABLE' })
  t.same(failed, tried.slice(1), 'only a failed connection repels')
  one.done(undefined, 1)
  t.same(Array.from(inFlight.subarray(0, 4)), [0, 0, 0, 0])
  t.equal(stats.requests.task['5xx'], 1)
})

t.test('what is in flight is counted until it is done, once', async (t) => {
  const { inFlight, stats, picker } = tasks(['n1'])
  const [a, b] = [picker(), picker()]
  const target = atOnce(a.pick())
  atOnce(b.pick())
  t.equal(inFlight[0], 2)
  a.answered({ target, status: 201, waitedMs: 1 })
  a.done(undefined, 1)
  t.equal(inFlight[0], 1)
  b.done(failure(target, 'waiting'), 1)
  t.equal(inFlight[0], 0)
  t.equal(stats.requests.task['2xx'], 1)
  t.equal(stats.requests.task['5xx'], 1)
  t.equal(
    stats.latency.counts.reduce((sum, count) => sum + count),
    2,
  )
})

t.test('a request is tried at every upstream once', async (t) => {
  const board = new Board()
  const { made, failed } = balancing(board, new Nodes({ board, random }))
  const upstreams = [1, 2, 3].map((port) => ({
    url: `http://h:${port}`,
    host: 'h',
    port,
    scheme: 'http' as const,
  }))
  made.upstreams.set(upstreams)
  const items = upstreams.map((address) => itemOf(address))
  const group = made.openGroup({ items, forwarder: 'aries' })
  const meter = new RouteMeter()
  const bound = { group, stickiness: undefined, retried: new Set<number>(), meter }
  const picker = new UpstreamPicker(made.forUpstreams, bound, requestHead('/'))
  const inFlight = (): number =>
    upstreams.reduce((sum, { url }) => sum + made.upstreams.get(url).inFlight, 0)
  let target = atOnce(picker.pick())
  const tried = [target.id]
  for (let i = 0; i < 2; i++) {
    target = atOnce(picker.pick(failure(target)))
    tried.push(target.id)
  }
  t.equal(new Set(tried).size, 3)
  t.equal(inFlight(), 1)
  t.throws(() => picker.pick(failure(target)), { code: 'ARIES_E_NODE_UNREACHABLE' })
  picker.done(undefined, 1)
  t.equal(inFlight(), 0)
  t.same(failed, tried)
})
