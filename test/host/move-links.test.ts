import t, { type Test } from 'tap'
import { MoveLinks } from '../../src/host/move-links.ts'
import type { HostAddress } from '../../src/wire.ts'
import { realWorld } from '../../src/world.ts'
import { FakeTarget } from '../helpers/fake-target.ts'
import { until } from '../helpers/until.ts'

/** Links whose timers run when the test says so, and somebody to connect to. */
async function start(t: Test) {
  const timers = new Set<() => void>()
  const clock = {
    ...realWorld.clock,
    after: (_ms: number, run: () => void) => {
      timers.add(run)
      return { cancel: () => void timers.delete(run) }
    },
  }
  const tokens = { shown: 'first' }
  const links = new MoveLinks({ clock, tokens })
  const target = new FakeTarget(() => undefined)
  t.teardown(() => {
    links.close()
    target.stop()
  })
  const to: HostAddress = await target.start('n2')
  return { links, target, to, tokens, timers }
}

t.test('what a move has left is taken by the next to the same host, by one only', async (t) => {
  const { links, to, timers } = await start(t)
  t.equal(links.take(to), undefined)
  const link = await links.connect(to)
  links.keep(link)
  t.equal(links.take({ ...to, port: to.port + 1 }), undefined)
  t.equal(links.take(to), link)
  t.equal(links.take(to), undefined)
  t.equal(timers.size, 0, 'while it is used nobody looks at the time')
})

t.test('with another key it is not used', async (t) => {
  const { links, to, tokens } = await start(t)
  const link = await links.connect(to)
  tokens.shown = 'second'
  links.keep(link)
  t.equal(links.take(to), undefined)
})

t.test('it is closed when nobody wants it for a while', async (t) => {
  const { links, to, timers } = await start(t)
  const link = await links.connect(to)
  links.keep(link)
  for (const run of timers) run()
  t.notOk(link.isOpen)
  await until('forgotten', () => links.take(to) === undefined)
})

t.test('one that the target ends, or talks on, is not used', async (t) => {
  const { links, target, to, timers } = await start(t)
  const [ended, talked] = [await links.connect(to), await links.connect(to)]
  links.keep(talked)
  target.sayAll({ type: 'applied', n: 1 })
  await until('one is closed', () => !talked.isOpen)
  links.keep(ended)
  target.cut()
  await until('the other is closed', () => !ended.isOpen)
  await until('both are forgotten', () => timers.size === 0)
  t.equal(links.take(to), undefined)
})

t.test('no more are kept than the limit, and none by a host that ends', async (t) => {
  const { links, to } = await start(t)
  const all = []
  for (let i = 0; i < 40; i++) all.push(await links.connect(to))
  for (const link of all) links.keep(link)
  t.equal(all.filter(({ isOpen }) => isOpen).length, 32)
  links.close()
  t.notOk(all.some(({ isOpen }) => isOpen))
  const late = await links.connect(to)
  links.keep(late)
  t.notOk(late.isOpen)
})
