import t from 'tap'
import { ToldLoad } from '../../src/placement/told-load.ts'

const cpu = (value: number) => ({ cpu: value, loop: 0, requests: 0, ioBytesPerSecond: 0 })

t.test(
  'what is told rises soon and falls slowly, what is reckoned with the other way',
  async (t) => {
    const load = new ToldLoad()
    load.sample(cpu(1), 250)
    const risen = load.sample(cpu(3), 250)
    t.match([risen.told.cpu, risen.own.cpu], [2, 1.5])
    const fallen = load.sample(cpu(1), 250)
    t.match([fallen.told.cpu, fallen.own.cpu], [1.75, 1.25])
  },
)

t.test('what came lately is told on top, for a while', async (t) => {
  const load = new ToldLoad()
  load.arrived(0.5)
  const { told, own } = load.sample(cpu(1), 0)
  t.match([told.cpu, own.cpu], [1.5, 1])
  const later = load.sample(cpu(1), 20_000).told.cpu
  t.ok(later > 1 && later < 1.001, `${later}`)
})
