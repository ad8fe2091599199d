import t from 'tap'
import { Board, SLOTS_MAX } from '../../src/front/board.ts'
import { BoardWriter } from '../../src/front/board-writer.ts'
import { RequestChooser } from '../../src/placement/request-chooser.ts'
import { seededRandom } from '../../src/world.ts'
import { IDLE, log, node } from './stubs.ts'

const POOL = { poolPort: 1 }
const busy = { ...IDLE, cpu: 0.9, requests: 500 }

/** A writer, and a reader as another thread has it: over the same buffer. */
function make() {
  const board = new Board()
  const writer = new BoardWriter({ board, log })
  const read = new Board(board.buffer)
  const { prices } = read
  const chooser = new RequestChooser(
    { random: seededRandom(3), prices },
    { capacity: SLOTS_MAX },
    { candidates: 3, inFlightMax: 1_000, slowStartMs: 1 },
  )
  const choose = (): number => chooser.choose(prices.open, prices.openCount, 0)
  const marginal = (slot: number): number => chooser.marginal(slot, prices)
  return { writer, read, chooser, choose, marginal }
}

t.test('states and prices are read as they were written', async (t) => {
  const { writer, read, choose } = make()
  const members = [
    node('n1', { load: busy }, POOL),
    node('n2', {}, POOL),
    node('n3', { state: 'unreachable' }, POOL),
    node('f1', { role: 'front' }, POOL),
  ]
  writer.refresh(members, 0)
  const slots = new Map(writer.views(members).map(({ id, slot }) => [id, slot]))
  t.same([...slots.keys()], ['n1', 'n2', 'n3'])
  t.equal(read.state(slots.get('n1')!), 'alive')
  t.equal(read.state(slots.get('n3')!), 'unreachable')
  t.equal(read.prices.openCount, 2)
  for (let i = 0; i < 20; i++) t.equal(choose(), slots.get('n2'))
})

t.test('a node that is no longer told of has left', async (t) => {
  const { writer, read } = make()
  const members = [node('n1', {}, POOL), node('n2', {}, POOL)]
  writer.refresh(members, 0)
  writer.refresh([members[0]!], 50)
  t.equal(read.state(1), 'left')
  t.equal(read.prices.openCount, 1)
  writer.refresh(members, 100)
  t.equal(writer.views(members)[1]!.slot, 1, 'it keeps its slot')
  t.equal(read.state(1), 'alive')
})

t.test('a node whose connections failed repels, for a while', async (t) => {
  const { writer, choose } = make()
  const members = [node('n1', {}, POOL), node('n2', { load: { ...IDLE, cpu: 0.5 } }, POOL)]
  writer.refresh(members, 0)
  t.equal(choose(), 0)
  writer.failed('n1', 0)
  writer.refresh(members, 10)
  t.equal(choose(), 1)
  writer.refresh(members, 20_000)
  t.equal(choose(), 0)
})

t.test('own requests count on top of the news, and not twice once the news has them', async (t) => {
  const { writer, chooser, choose, marginal } = make()
  const told = (loadAgeMs: number, requests: number) =>
    ['n1', 'n2'].map((id) => node(id, { loadAgeMs, load: { ...IDLE, requests } }, POOL))
  writer.refresh(told(0, 0), 0)
  const idle = marginal(0)
  for (let i = 0; i < 50; i++) chooser.sent(0, 0)
  t.ok(marginal(0) > idle)
  t.equal(choose(), 1)
  writer.refresh(told(50, 0), 50)
  t.ok(marginal(0) > idle, 'the same news, older')
  writer.refresh(told(0, 0), 100)
  t.equal(marginal(0), idle, 'news that already has them')
})

t.test('a node whose load is unknown is used only when all are', async (t) => {
  const { writer, choose, read } = make()
  const fresh = node('n1', { load: undefined }, POOL)
  writer.refresh([fresh], 0)
  t.equal(choose(), 0)
  writer.refresh([fresh, node('n2', {}, POOL)], 0)
  t.equal(read.prices.openCount, 1)
  t.equal(choose(), 1)
})
