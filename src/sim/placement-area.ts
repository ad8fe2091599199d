import type { SeedResult, SimArea } from './area.ts'
import { PlacementRun } from './placement-run.ts'
import { SCENES } from './placement-scenes.ts'

/** Scene by scene, in fair weather and in storms. */
export const placementArea = {
  name: 'placement',
  about:
    'placing, rebalancing, ushering on late news: a node joins, all sit on one, an antagonist goes about, memory runs out, many begin at once',
  runSeed(seed: number, { quick }: { quick: boolean }): SeedResult {
    const run = new PlacementRun(seed, quick)
    const scene = SCENES[seed % SCENES.length]!
    scene.run(run)
    run.checkWhole()
    run.checkResidency()
    const { violations, ...rest } = run.result()
    return { violations: violations.map((violation) => `${scene.name}: ${violation}`), ...rest }
  },
} satisfies SimArea
