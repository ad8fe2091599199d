import t from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import type { HostClient } from '../../src/node/host-client.ts'
import { OwnHosts } from '../../src/node/own-hosts.ts'
import { realWorld } from '../../src/world.ts'

const MAX = 3

t.test('whoever chooses keys cannot fill the machine with processes', async (t) => {
  let port = 0
  const own = new OwnHosts(
    { world: realWorld },
    {
      make: (worker) => ({ own: worker, port: ++port, retiring: false }) as unknown as HostClient,
      start: async () => undefined,
      retire: (host) => {
        host.retiring = true
      },
      max: MAX,
    },
  )
  t.teardown(() => own.clear())
  const ask = (key: string) => own.get({ class: 'c', key } satisfies WorkerId, 1)
  const asked = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => ask(`k${i}`)))
  t.equal(asked.filter(({ status }) => status === 'fulfilled').length, MAX)
  await t.rejects(ask('more'), { code: 'ARIES_E_NO_TARGET', message: /has 3 host processes/ })
  const first = await ask('k0')
  own.left(first)
  t.equal((await ask('more')).own?.key, 'more', 'one left, another may come')
})
