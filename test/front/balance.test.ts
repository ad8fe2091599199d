import t from 'tap'
import { AriesError } from '../../src/errors.ts'
import { TaskPicker, taskHeaders } from '../../src/front/balance/task.ts'
import { UpstreamPicker } from '../../src/front/balance/upstreams.ts'
import { Board } from '../../src/front/board.ts'
import { BoardWriter } from '../../src/front/board-writer.ts'
import { emptyStats } from '../../src/front/metrics.ts'
import { Nodes } from '../../src/front/nodes.ts'
import type { AttemptFailure, Target } from '../../src/front/plan.ts'
import { Upstream } from '../../src/front/upstreams.ts'
import { RequestChooser } from '../../src/placement/request-chooser.ts'
import { seededRandom } from '../../src/world.ts'
import { log, node } from './stubs.ts'

const random = seededRandom(11)

function failure(target: Target, phase: AttemptFailure['phase'] = 'connect'): AttemptFailure {
  return { target, phase, error: new AriesError('ARIES_E_NODE_UNREACHABLE', target.id) }
}

function tasks(ids: string[]) {
  const board = new Board()
  const writer = new BoardWriter({ board, log })
  const members = ids.map((id, i) => node(id, {}, { poolPort: 7_000 + i }))
  writer.refresh(members, 0)
  const nodes = new Nodes({ board, random })
  nodes.set(writer.views(members))
  const failed: string[] = []
  const chooser = new RequestChooser(board.prices, { random, sample: 3 })
  const stats = emptyStats()
  const balance = { chooser, nodes, stats, onFailed: (id: string) => failed.push(id) }
  return { chooser, failed, stats, picker: () => new TaskPicker(balance, taskHeaders('t', 'tok')) }
}

t.test('a task is tried at every node once, then its last error is the answer', async (t) => {
  const { chooser, failed, stats, picker } = tasks(['n1', 'n2', 'n3', 'n4'])
  const one = picker()
  let target = one.pick()
  t.same(target.headers, [
    ['aries-task', 't'],
    ['aries-auth', 'tok'],
  ])
  const tried = [target.id]
  for (let i = 0; i < 3; i++) {
    target = one.pick(failure(target, i === 0 ? 'waiting' : 'connect'))
    tried.push(target.id)
  }
  t.same(tried.toSorted(), ['n1', 'n2', 'n3', 'n4'])
  t.throws(() => one.pick(failure(target)), { code: 'ARIES_E_NODE_UNREACHABLE' })
  t.same(failed, tried.slice(1), 'only a failed connection repels')
  one.done()
  t.same(Array.from(chooser.inFlight.subarray(0, 4)), [0, 0, 0, 0])
  t.equal(stats.requests.task['5xx'], 1)
})

t.test('what is in flight is counted until it is done, once', async (t) => {
  const { chooser, stats, picker } = tasks(['n1'])
  const [a, b] = [picker(), picker()]
  const target = a.pick()
  b.pick()
  t.equal(chooser.inFlight[0], 2)
  a.answered({ target, status: 201, waitedMs: 1 })
  a.done()
  t.equal(chooser.inFlight[0], 1)
  b.done(failure(target, 'waiting'))
  t.equal(chooser.inFlight[0], 0)
  t.equal(stats.requests.task['2xx'], 1)
  t.equal(stats.requests.task['5xx'], 1)
  t.equal(
    stats.latency.counts.reduce((sum, count) => sum + count),
    2,
  )
})

t.test('a request is tried at every upstream once', async (t) => {
  const upstreams = [1, 2, 3].map(
    (port) => new Upstream({ log }, { url: `http://h:${port}`, host: 'h', port }),
  )
  const failed: string[] = []
  const stats = emptyStats()
  const onFailed = ({ address }: Upstream): void => void failed.push(address.url)
  const picker = new UpstreamPicker({ random, stats, onFailed }, upstreams, 'aries')
  let target = picker.pick()
  const tried = [target.id]
  for (let i = 0; i < 2; i++) {
    target = picker.pick(failure(target))
    tried.push(target.id)
  }
  t.equal(new Set(tried).size, 3)
  t.equal(
    upstreams.reduce((sum, { inFlight }) => sum + inFlight, 0),
    1,
  )
  t.throws(() => picker.pick(failure(target)), { code: 'ARIES_E_NODE_UNREACHABLE' })
  picker.done()
  t.equal(
    upstreams.reduce((sum, { inFlight }) => sum + inFlight, 0),
    0,
  )
  t.same(failed, tried)
})
