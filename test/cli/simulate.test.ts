import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { shippedScenarios } from '../../src/sim/scenario/load.ts'
import { aries } from './aries.ts'

t.test('simulate prints policies and ratios, and writes them', async (t) => {
  const file = join(t.testdir(), 'out.json')
  const given = ['simulate', '--scenario', 'epvm', '--seeds', '3']
  const policies = ['--policy', 'round-robin', 'e-pvm']
  const { code, stdout, stderr } = await aries([...given, ...policies, '--json', file])
  t.equal(code, 0, stderr)
  t.match(stdout, /^epvm: 6 machines, 3 seeds, \d+ jobs/)
  t.match(stdout, /\nepvm-each: 6 machines, 3 seeds/, 'the other reading beside it')
  t.match(stdout, /\ne-pvm +\d+\.\d\d/)
  t.match(stdout, /\ne-pvm \/ round-robin +\d\.\d{3} +0\.683/)
  t.notMatch(stdout, /e-mosix/)
  const { machine, rows } = JSON.parse(readFileSync(file, 'utf8'))
  t.equal(machine.node, process.version)
  t.match(rows, [
    { kind: 'policy', scenario: 'epvm', seeds: 3, policy: 'round-robin' },
    { kind: 'policy', policy: 'e-pvm', movesPerJob: 0 },
    { kind: 'ratio', policy: 'e-pvm', to: 'round-robin', published: 0.683 },
    { kind: 'policy', scenario: 'epvm-each', policy: 'round-robin' },
    { kind: 'policy', policy: 'e-pvm' },
    { kind: 'ratio', scenario: 'epvm-each', policy: 'e-pvm', published: 0.683 },
  ])
})

t.test('what is not there is refused with what there is', async (t) => {
  const policy = await aries(['simulate', '--policy', 'best'])
  t.equal(policy.code, 78)
  t.match(policy.stderr, /no policy best; there are round-robin, .*aries/)
  const scenario = await aries(['simulate', '--scenario', 'none'])
  t.equal(scenario.code, 78)
  t.match(scenario.stderr, /these ship: .*epvm/)
})

t.test('the help names every scenario that ships', async (t) => {
  const { stdout } = await aries(['simulate', '--help'])
  for (const name of shippedScenarios()) t.match(stdout, name)
})
