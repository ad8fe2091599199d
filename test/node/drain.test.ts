import t from 'tap'
import { AriesError } from '../../src/errors.ts'
import type { WorkerId } from '../../src/identity.ts'
import { createLogger } from '../../src/log.ts'
import { Drain, type DrainComponents } from '../../src/node/drain.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../helpers/until.ts'

const log = createLogger({ role: 'cli', id: 'test' }, 'silent')
const id: WorkerId = { class: 'counter', key: 'a' }

/** The only worker of a node is moved by somebody else when the drain begins. */
function drained(): {
  report: ReturnType<Drain['run']>
  isOver: () => boolean
  moves: () => number
  endOther: (itStays: boolean) => void
} {
  const open = new Set([id])
  let moving = true
  let moves = 0
  const mover = {
    isMoving: () => moving,
    move: async () => {
      if (moving) throw new AriesError('ARIES_E_MOVE_REFUSED', 'it is already moving')
      moves++
      open.delete(id)
    },
  }
  const components = {
    open: {
      all: () => Array.from(open, (each) => ({ id: each })).values(),
      has: () => open.has(id),
    },
    placer: { prepare: async () => undefined, place: () => ({ chosen: 'n2' }) },
    mover,
    jobs: { drain: async () => [] },
    log,
    world: realWorld,
  } as unknown as DrainComponents
  const drain = new Drain(components, { node: 'n1', concurrency: () => 2 })
  let isOver = false
  const report = drain.run(() => true)
  void report.then(() => {
    isOver = true
  })
  return {
    report,
    isOver: () => isOver,
    moves: () => moves,
    endOther: (itStays) => {
      if (!itStays) open.delete(id)
      moving = false
    },
  }
}

// The timers of the world keep no process alive.
const alive = setInterval(() => undefined, 1_000)
t.teardown(() => clearInterval(alive))

t.test('a drain is over when the moves of others are', async (t) => {
  const { report, isOver, moves, endOther } = drained()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.notOk(isOver(), 'a worker is still on its way')
  endOther(false)
  t.match(await report, { moved: 0, left: [] })
  t.equal(moves(), 0)
})

t.test('a worker that the move of another left behind is drained as well', async (t) => {
  const { report, moves, endOther } = drained()
  await new Promise((resolve) => setTimeout(resolve, 50))
  endOther(true)
  await until('it is moved', () => moves() === 1)
  t.match(await report, { moved: 1, left: [] })
})
