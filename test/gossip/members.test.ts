import t from 'tap'
import { BOOT_AHEAD_MS_MAX, VERSION_MAX } from '../../src/gossip/claim.ts'
import type { MemberState } from '../../src/gossip/types.ts'
import { Bench, BOOT, claim } from './helpers.ts'

type Step = readonly [state: MemberState, version: number, boot?: number]

/** n1 hears these claims of n3 from n2, in this order; returns what it then holds. */
function after(...steps: Step[]): string {
  const bench = new Bench(6)
  bench.hear('n2')
  for (const [state, version, boot = 0] of steps) {
    const accusers = state === 'suspect' ? ['n2'] : []
    bench.hear('n2', { claims: [claim('n3', { state, version, boot: BOOT + boot, accusers })] })
  }
  return bench.state('n3')
}

t.test('which claim of another member is taken', async (t) => {
  const rules: [string, Step[], string][] = [
    ['the first of a member', [['alive', 1]], 'alive 0.1'],
    ['bad news of a member never heard of', [['unreachable', 4]], 'unreachable 0.4'],
    [
      'alive again, higher',
      [
        ['alive', 1],
        ['alive', 2],
      ],
      'alive 0.2',
    ],
    [
      'suspect at the same version',
      [
        ['alive', 2],
        ['suspect', 2],
      ],
      'suspect 0.2',
    ],
    [
      'an old suspicion not',
      [
        ['alive', 2],
        ['suspect', 1],
      ],
      'alive 0.2',
    ],
    [
      'suspect is not lifted by the same',
      [
        ['suspect', 2],
        ['alive', 2],
      ],
      'suspect 0.2',
    ],
    [
      'suspect is refuted by a higher one',
      [
        ['suspect', 2],
        ['alive', 3],
      ],
      'alive 0.3',
    ],
    [
      'unreachable beats suspect',
      [
        ['suspect', 2],
        ['unreachable', 2],
      ],
      'unreachable 0.2',
    ],
    [
      'suspect does not beat unreachable',
      [
        ['unreachable', 2],
        ['suspect', 2],
      ],
      'unreachable 0.2',
    ],
    [
      'old unreachable not',
      [
        ['alive', 3],
        ['unreachable', 2],
      ],
      'alive 0.3',
    ],
    [
      'left beats unreachable',
      [
        ['unreachable', 2],
        ['left', 2],
      ],
      'left 0.2',
    ],
    [
      'left stays against unreachable',
      [
        ['left', 2],
        ['unreachable', 2],
      ],
      'left 0.2',
    ],
    [
      'left comes back only beyond',
      [
        ['left', 2],
        ['alive', 2],
      ],
      'left 0.2',
    ],
    [
      'a restart beats everything',
      [
        ['left', 9],
        ['alive', 1, 5],
      ],
      'alive 5.1',
    ],
    [
      'an earlier life beats nothing',
      [
        ['alive', 1, 5],
        ['unreachable', 9],
      ],
      'alive 5.1',
    ],
    [
      'no resurrection: evidence raises what is stored even when the state stays',
      [
        ['alive', 1],
        ['unreachable', 1],
        ['unreachable', 10],
        ['alive', 2],
      ],
      'unreachable 0.10',
    ],
    [
      'nor of who left',
      [
        ['left', 1],
        ['left', 8, 3],
        ['alive', 7, 3],
      ],
      'left 3.8',
    ],
  ]
  for (const [says, steps, expected] of rules) t.equal(after(...steps), expected, says)
})

t.test('the order in which claims arrive does not matter', async (t) => {
  const claims: Step[] = [
    ['alive', 3],
    ['suspect', 2],
    ['unreachable', 3],
    ['left', 2],
    ['alive', 1, 1],
    ['suspect', 1, 1],
  ]
  for (let turn = 0; turn < claims.length; turn++) {
    const turned = [...claims.slice(turn), ...claims.slice(0, turn)]
    t.equal(after(...turned), 'suspect 1.1')
    t.equal(after(...turned.toReversed()), 'suspect 1.1')
  }
})

t.test('claims of strangers and from the far future are not taken', async (t) => {
  const bench = new Bench(3)
  bench.hear('n2', { claims: [claim('x9')] })
  t.equal(bench.core.member('x9', 0), undefined)
  bench.hear('n2', { claims: [claim('n3', { boot: BOOT + BOOT_AHEAD_MS_MAX + 1 })] })
  t.equal(bench.core.member('n3', 0)?.boot, 0)
  bench.hear('n2', { claims: [claim('n3', { boot: BOOT + BOOT_AHEAD_MS_MAX })] })
  t.equal(bench.core.member('n3', 0)?.boot, BOOT + BOOT_AHEAD_MS_MAX)
})

t.test('one version has one meta, whoever tells it', async (t) => {
  const bench = new Bench(3)
  const meta = { incarnation: 1, poolPort: 1, hostPorts: [], cordoned: false, draining: false }
  bench.hear('n2', { claims: [claim('n3', { meta })] })
  bench.hear('n2', { claims: [claim('n3', { state: 'suspect', meta: { ...meta, poolPort: 2 } })] })
  t.equal(bench.core.member('n3', 0)?.meta.poolPort, 1)
})

t.test('what others claim of ourselves', async (t) => {
  const cases: [string, Step, string][] = [
    ['alive as we are: nothing', ['alive', 1], 'alive 0.1'],
    ['an earlier life: nothing', ['unreachable', 9, -5], 'alive 0.1'],
    ['suspect: we go beyond it', ['suspect', 1], 'alive 0.2'],
    ['suspect at a version we never had', ['suspect', 7], 'alive 0.8'],
    ['unreachable', ['unreachable', 1], 'alive 0.2'],
    ['left, which we have not', ['left', 4], 'alive 0.5'],
    ['alive beyond what we said', ['alive', 3], 'alive 0.4'],
    ['a life that began after ours: ours begins after it', ['alive', 6, 1_000], 'alive 1001.1'],
    ['the highest version there is', ['unreachable', VERSION_MAX], 'alive 1.1'],
  ]
  for (const [says, [state, version, boot = 0], expected] of cases) {
    const bench = new Bench(3)
    bench.hear('n2', { claims: [claim('n1', { state, version, boot: BOOT + boot })] })
    t.equal(bench.state('n1'), expected, says)
  }
})

t.test('the same boot with another meta was another life', async (t) => {
  const bench = new Bench(3)
  const meta = { incarnation: 9, poolPort: 0, hostPorts: [], cordoned: false, draining: false }
  bench.hear('n2', { claims: [claim('n1', { meta })] })
  t.equal(bench.state('n1'), 'alive 1.1')
  t.same(bench.boots, [BOOT + 1], 'the envelope is told')
})

t.test('a refuted accusation costs health, and the accuser hears it at once', async (t) => {
  const bench = new Bench(3)
  bench.handle({ type: 'start' })
  bench.hear('n2')
  const said = bench.hear('n2', { claims: [claim('n1', { state: 'suspect', accusers: ['n2'] })] })
  t.equal(bench.core.awareness, 1)
  const told = said.find(({ to }) => to === 'n2')
  t.match(told?.packet.claims[0], { id: 'n1', state: 'alive', version: 2 })
})
