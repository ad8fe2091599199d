import t from 'tap'
import { findAll, places } from './find-bug.ts'
import { PLACEMENT_BUGS } from './placement-bugs.ts'

// Seconds each, more on a busy machine.
t.setTimeout(300_000)

t.test('every bug is a change to one place of the sources', async (t) => {
  for (const bug of PLACEMENT_BUGS) t.equal(places(bug), 1, `${bug.file}: ${bug.name}`)
})

t.test('the simulation finds every one of them', async (t) => {
  await findAll(t, PLACEMENT_BUGS, {
    area: 'placement',
    report: /^(?:join|skew|antagonist|hog|burst): /,
  })
})
