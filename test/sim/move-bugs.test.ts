import t from 'tap'
import { BUGS } from './bugs.ts'
import { findAll, places } from './find-bug.ts'

// Some are found after a hundred seeds and more: seconds, minutes on a busy machine.
t.setTimeout(900_000)

t.test('every bug is a change to one place of the sources', async (t) => {
  for (const bug of BUGS) t.equal(places(bug), 1, `${bug.file}: ${bug.name}`)
  for (const phase of ['prepare', 'copy', 'fence', 'commit', 'switch', 'clean', 'rest']) {
    t.ok(
      BUGS.some((bug) => bug.phase === phase),
      `there is a bug in ${phase}`,
    )
  }
})

t.test('the simulation finds every one of them', async (t) => {
  await findAll(t, BUGS, { area: 'move', report: /^I\d+ / })
})
