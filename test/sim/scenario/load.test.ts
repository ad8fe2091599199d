import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadScenario, shippedScenarios } from '../../../src/sim/scenario/load.ts'

const GOOD = `machines:
  - { id: a, count: 2, memoryMb: 64 }
  - { id: b, speed: 2, memoryMb: 64 }
jobs:
  untilS: 100
  everyS: 10
  cpuS: { fixed: 2 }
  memoryMb: { uniform: [1, 2] }
`

t.test('a scenario has its machines one by one, and the defaults', async (t) => {
  const file = join(t.testdir({ 'mine.yaml': GOOD }), 'mine.yaml')
  const { name, machines, thrashing, newsS } = loadScenario(file)
  t.match({ name, thrashing, newsS }, { name: 'mine', thrashing: 10, newsS: 0 })
  t.strictSame(
    machines.map(({ id }) => id),
    ['a-1', 'a-2', 'b'],
  )
})

t.test('what is wrong is told with file, line and path, all of it', async (t) => {
  const file = join(t.testdir(), 'bad.yaml')
  const wrong: [string, RegExp][] = [
    [GOOD.replace('speed: 2', 'sped: 2'), /bad\.yaml:3:\d+: machines\[1\]\.sped: .*`speed`/],
    [GOOD.replace('everyS: 10', 'everyS: soon'), /bad\.yaml:6:11: jobs\.everyS: expected a number/],
    [GOOD.replace('fixed', 'exponental'), /jobs\.cpuS\.exponental: .*did you mean `exponential`/],
    [GOOD.replace('id: b', 'id: a-1'), /machines: two have the same name/],
    [GOOD.replace('[1, 2]', '[2, 1]'), /jobs\.memoryMb\.uniform: runs backwards/],
    [GOOD.replace('everyS: 10', 'everyS: 0.001').replace('100', '1e6'), /more than 1000000/],
    [`${GOOD}failures:\n  - { machine: c, atS: 1, forS: 1 }\n`, /failures\[0\]\.machine: is no/],
    [
      `${GOOD}published:\n  - { policy: x, to: aries, ratio: 1 }\n`,
      /published\[0\]\.policy: is no/,
    ],
    ['machines: [', /bad\.yaml:1:/],
  ]
  for (const [text, words] of wrong) {
    writeFileSync(file, text)
    t.throws(() => loadScenario(file), { code: 'ARIES_E_CONFIG', message: words }, String(words))
  }
  const both = GOOD.replace('speed: 2', 'speed: 0').replace('everyS: 10', 'everyS: 0')
  writeFileSync(file, both)
  t.throws(() => loadScenario(file), { message: /^2 problems\n.*:3:.*\n.*:6:/ })
})

t.test('those that ship are known by name', async (t) => {
  t.ok(shippedScenarios().includes('epvm'))
  t.equal(loadScenario('epvm').machines.length, 6)
  t.throws(() => loadScenario('nothing'), { message: /no file nothing.*these ship: .*epvm/ })
})
