import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { HostLink } from '../../src/host/host-link.ts'
import { Standbys } from '../../src/host/standbys.ts'
import { createLogger } from '../../src/log.ts'
import { FROM_STANDBY } from '../../src/move/shapes.ts'
import type { FromStandby, ToStandby } from '../../src/move/standby-messages.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../helpers/until.ts'

const SECTION_BYTES = 4 * 1024 * 1024
const LINKS = 10

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

t.test('an owner that connects again and again costs one copy of the state', async (t) => {
  const log = createLogger({ role: 'cli', id: 'test' }, 'silent')
  const standbys = new Standbys({ clock: realWorld.clock, log, reserve: async () => undefined })
  t.teardown(() => standbys.destroy())
  for (let i = 1; i <= LINKS; i++) await feed(standbys)
  t.equal(standbys.size, 2)
  // What was collected is given back by another thread, a moment later.
  await until('memory for fewer copies than were sent is in use', () => {
    gc()
    return process.memoryUsage().arrayBuffers < (LINKS / 2) * SECTION_BYTES
  })
})

/** Follows the worker, copies a part of its state, and is gone. */
async function feed(standbys: Standbys): Promise<void> {
  const [mine, other] = duplexPair()
  standbys.accept(other)
  const heard: FromStandby[] = []
  const link = new HostLink<ToStandby, FromStandby>(
    mine,
    { message: (message) => heard.push(message), closed: () => undefined },
    FROM_STANDBY,
  )
  const follow = { type: 'follow', from: 'n1', epoch: 1, stateBytes: SECTION_BYTES } as const
  const following = async (stream: number): Promise<void> => {
    while (!heard.some((message) => message.stream === stream)) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  link.send({ ...follow, stream: 1, worker: 'room/a' })
  await following(1)
  const value = new Uint8Array(SECTION_BYTES)
  link.send({ type: 'sections', stream: 1, seq: 1, set: [{ name: 'a', value }] })
  // What is answered after it has come after it.
  link.send({ ...follow, stream: 2, worker: 'room/b' })
  await following(2)
  const closed = once(other, 'close')
  mine.destroy()
  other.destroy()
  await closed
}
