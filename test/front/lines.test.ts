import t from 'tap'
import { Lines } from '../../src/front/balance/lines.ts'
import type { Target } from '../../src/front/plan.ts'

t.test('who waits at a route of higher priority is served first', async (t) => {
  const lines = new Lines({ queueMax: 10, queueTimeoutMs: 60_000 })
  t.teardown(() => lines.close())
  let room = 0
  const served: string[] = []
  const take = (name: string) => (): Target | undefined => {
    if (room === 0) return undefined
    room -= 1
    served.push(name)
    return { id: name, poolKey: name, host: name, port: 1 }
  }
  const waits = (['low', 'normal', 'high'] as const).map((priority) =>
    lines.open(priority).wait(take(priority), () => {}),
  )
  room = 2
  lines.advance()
  t.same(served, ['high', 'normal'])
  room = 1
  lines.advance()
  t.same(served, ['high', 'normal', 'low'])
  await Promise.all(waits)
})
