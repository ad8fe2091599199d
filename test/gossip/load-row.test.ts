import t from 'tap'
import { Reader, Writer } from '../../src/gossip/bytes.ts'
import { figuresOf, loadOf, readRow, rowBoot, writeRow } from '../../src/gossip/load-row.ts'
import { Bench, BOOT, claim, LOAD } from './helpers.ts'

const CAPACITY = {
  cpu: LOAD.cpuCapacity,
  memoryBytes: LOAD.memoryBytesMax,
  requests: LOAD.requestsMax,
  connections: LOAD.connectionsMax,
}
const ROW = {
  index: 2,
  boot: rowBoot(BOOT),
  seq: 3_000,
  ageMs: 40.9,
  figures: figuresOf(LOAD, CAPACITY),
}

t.test('a row is short, and comes out as it went in but for rounding', async (t) => {
  const writer = new Writer(100)
  writer.begin(100)
  writeRow(writer, ROW)
  const bytes = writer.bytes()
  t.ok(bytes.length <= 20, `${bytes.length} bytes`)
  const { figures, ...rest } = readRow(new Reader(bytes))
  t.strictSame(rest, { index: 2, boot: rowBoot(BOOT), seq: 3_000, ageMs: 40 })
  const load = loadOf(figures, CAPACITY, LOAD)
  const within = (name: keyof typeof LOAD, part: number, of: number): void => {
    const off = Math.abs((load[name] as number) - (LOAD[name] as number))
    t.ok(off <= part * of, `${name} is off by ${off}`)
  }
  within('cpu', 1 / 399, LOAD.cpuCapacity)
  within('memoryBytes', 1 / 400, LOAD.memoryBytesMax)
  within('loop', 1 / 400, 1)
  within('ioBytesPerSecond', 0.05, LOAD.ioBytesPerSecond)
  within('lagMs', 0.05, LOAD.lagMs)
  const { requests, connections, workers, classes, requestsMax, connectionsMax } = LOAD
  t.match(load, { requests, connections, workers, classes, requestsMax, connectionsMax })
})

t.test('figures beyond all bounds are cut, none is not a number', async (t) => {
  const writer = new Writer(100)
  writer.begin(100)
  const odd = { ...LOAD, cpu: 1e9, memoryBytes: -1, loop: Number.NaN, lagMs: Infinity }
  writeRow(writer, { ...ROW, figures: figuresOf(odd, { ...CAPACITY, cpu: 0 }) })
  const { figures } = readRow(new Reader(writer.bytes()))
  t.match(figures, { cpu: 0, memory: 0, loop: 0 })
  t.ok(
    Object.values(loadOf(figures, CAPACITY, undefined))
      .flat()
      .every(Number.isFinite),
  )
})

t.test('a row counts for the map, the life and the capacity that it speaks of', async (t) => {
  const heard = (about: {
    mapHash?: string
    boot?: number
    capacity?: typeof CAPACITY
    seq?: number
  }): number | undefined => {
    const { mapHash, boot = BOOT, capacity = CAPACITY, seq = ROW.seq } = about
    const made = new Bench(5)
    const meta = { ...claim('n3').meta, ...('capacity' in about ? {} : { capacity }) }
    const packet = { claims: [claim('n3', { meta })] }
    made.hear('n2', packet)
    const rows = [{ ...ROW, boot: rowBoot(boot), seq }]
    made.hear('n2', { rows }, BOOT, true, mapHash === undefined ? {} : { map: { mapHash } })
    return made.core.member('n3', made.nowMs)?.load?.requests
  }
  t.equal(heard({}), LOAD.requests)
  t.equal(heard({ mapHash: '0011223344556677' }), undefined, 'places of another map')
  t.equal(heard({ boot: BOOT + 1 }), undefined, 'another life')
  t.equal(heard({ capacity: CAPACITY }), undefined, 'of a capacity that is not known')
  const made = new Bench(5)
  made.hear('n2', { rows: [{ ...ROW, index: 60_000 }] })
  t.pass('a place that the map does not have')
})

t.test('a window is passed on in short rows, the own load whole', async (t) => {
  const made = new Bench(40)
  made.handle({ type: 'start' })
  made.handle({ type: 'load', load: LOAD })
  for (let i = 2; i <= 40; i++) {
    const meta = { ...claim('n3').meta, capacity: CAPACITY }
    const id = `n${i}`
    const load = { id, boot: BOOT, seq: 1, ageMs: 0, urgency: 0, load: LOAD }
    made.hear(id, { claims: [claim(id, { meta })], loads: [load] })
  }
  const window = made.pass(made.times.gossipIntervalMs).find(({ packet }) => packet.rows?.length)
  t.equal(window?.packet.rows?.length, 39, 'all but ours')
  t.same(
    window?.packet.loads.map(({ id }) => id),
    ['n1'],
  )
})
