import t from 'tap'
import { balanceSchema } from '../../src/config/schema/balance.ts'
import { Balancing } from '../../src/front/balance/balancing.ts'
import { compileStickiness, type StickyConfig } from '../../src/front/balance/stickiness.ts'
import type { UpstreamGroup } from '../../src/front/balance/upstream-group.ts'
import { Board } from '../../src/front/board.ts'
import { Meters } from '../../src/front/meters.ts'
import { emptyStats } from '../../src/front/metrics.ts'
import { Nodes } from '../../src/front/nodes.ts'
import { clientNetwork, compileRequestKey } from '../../src/front/request-key.ts'
import { NO_TARGET } from '../../src/placement/request-chooser.ts'
import { seededRandom } from '../../src/world.ts'
import { itemOf, log, requestHead } from './stubs.ts'

const addressOf = (name: string) => ({
  url: `http://${name}:1`,
  host: name,
  port: 1,
  scheme: 'http' as const,
})

/** A group of one-letter hosts, and how to ask it. */
function groupOf(
  items: Record<string, Parameters<typeof itemOf>[1]>,
  options: { panicBelow?: number } = {},
) {
  const random = seededRandom(5)
  const board = new Board()
  const none = (): void => {}
  const balancing = new Balancing(
    {
      log,
      random,
      board,
      nodes: new Nodes({ board, random }),
      stats: emptyStats(),
      meters: new Meters(),
      onPoolFailed: none,
      onUpstreamFailed: none,
    },
    balanceSchema.parse(options),
  )
  const names = Object.keys(items)
  const { upstreams } = balancing
  upstreams.set(names.map(addressOf))
  const group = balancing.openGroup({
    items: names.map((name) => itemOf(addressOf(name), items[name])),
    forwarder: 'aries',
  })
  const nameOf = (slot: number): string => upstreams.bySlot(slot)?.address.host ?? String(slot)
  return {
    group,
    upstreams,
    chooser: balancing.forUpstreams.chooser,
    nameOf,
    health: (name: string, healthy: boolean) => upstreams.setHealth(addressOf(name).url, healthy),
    /** Of `count` requests, how many went where. */
    shares: (count: number, tried?: ReadonlySet<number>) => countOf(group, nameOf, count, tried),
  }
}

function countOf(
  group: UpstreamGroup,
  nameOf: (slot: number) => string,
  count: number,
  tried: ReadonlySet<number> | undefined,
): Record<string, number> {
  const shares: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const name = nameOf(group.choose(i, tried))
    shares[name] = (shares[name] ?? 0) + 1
  }
  return shares
}

t.test(
  'weights split the requests; the weight of one that is ill goes to the others',
  async (t) => {
    const { shares, health } = groupOf({ a: { weight: 90 }, b: { weight: 10 }, c: { weight: 0 } })
    const { a = 0, b = 0, c } = shares(2_000)
    t.ok(a > 1_700 && b > 130 && c === undefined, `${a} ${b} ${c}`)
    health('a', false)
    t.same(shares(50), { b: 50 })
    health('b', false)
    t.same(Object.keys(shares(50)).sort(), ['a', 'b'], 'all are ill: any may do')
  },
)

t.test('a backup gets what the healthy ones are too few for', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const { shares, health } = groupOf({
    ...Object.fromEntries(names.map((name) => [name, {}])),
    z: { priority: 1 },
  })
  t.equal(shares(200)['z'], undefined)
  health('a', false)
  t.equal(shares(200)['z'], undefined, '80% are enough')
  for (const name of ['b', 'c']) health(name, false)
  const { z = 0 } = shares(2_000)
  t.ok(z > 700 && z < 1_050, `40% bear 56%, ${z} of 2000 went to the backup`)
  for (const name of ['d', 'e']) health(name, false)
  t.same(shares(50), { z: 50 })
  health('d', true)
  t.ok(shares(200)['d']! > 20)
})

t.test('a backup of entries with weights', async (t) => {
  const { shares, health } = groupOf({
    a: { weight: 90 },
    b: { weight: 10 },
    y: { weight: 50, priority: 1 },
    z: { weight: 50, priority: 1 },
  })
  const { a = 0, b = 0, ...none } = shares(1_000)
  t.ok(a > 850 && b > 50, `${a} ${b}`)
  t.same(none, {})
  health('a', false)
  const half = shares(2_000)
  t.ok(half['b']! > 1_300 && half['b']! < 1_500, `50% bear 70%, ${half['b']} of 2000`)
  health('b', false)
  const { y = 0, z = 0 } = shares(1_000)
  t.ok(y + z === 1_000 && y > 400 && z > 400, `${y} ${z}`)
})

t.test('one that was tried is not chosen again, the backup before none', async (t) => {
  const { shares, chooser, upstreams } = groupOf({ a: {}, z: { priority: 1 } })
  const slot = upstreams.get('http://a:1').slot
  t.same(shares(5, new Set([slot])), { z: 5 })
  t.equal(chooser.isHealthy(slot), true)
})

t.test('when too few are healthy all are asked', async (t) => {
  const items = { a: {}, b: {}, c: {} }
  for (const [panicBelow, asked] of [
    [0.5, ['a', 'b', 'c']],
    [0, ['c']],
  ] as const) {
    const { shares, health } = groupOf(items, { panicBelow })
    health('a', false)
    t.notOk('a' in shares(100), 'two of three are enough')
    health('b', false)
    t.same(Object.keys(shares(100)).sort(), asked)
  }
})

t.test('who drains takes no new clients, by the configuration or for a time', async (t) => {
  const { shares, upstreams } = groupOf({ a: { drain: true }, b: {}, c: {} })
  t.same(Object.keys(shares(100)).sort(), ['b', 'c'])
  upstreams.setDrain('http://b:1', 1_000)
  t.same(shares(20), { c: 20 })
  upstreams.setDrain('http://c:1', 1_000)
  t.same(shares(1), { [String(NO_TARGET)]: 1 })
  upstreams.setDrain('http://b:1', undefined)
  t.same(shares(20), { b: 20 })
})

const COOKIE: StickyConfig = {
  cookie: 'srv',
  path: '/',
  sameSite: 'lax',
  secure: 'auto',
  httpOnly: true,
}

t.test(
  'by cookie: a client stays, falls over, and stays with a draining one for a time',
  async (t) => {
    const { group, upstreams, health } = groupOf({ a: {}, b: {} })
    const sticky = compileStickiness(COOKIE, group)
    const { slot } = upstreams.get('http://a:1')
    const line = sticky.cookie(requestHead('/'), slot)
    const match = /^srv=([\w-]{16}); Path=\/; HttpOnly; SameSite=Lax$/.exec(line ?? '')
    t.ok(match)
    t.notMatch(line ?? '', /http|:1/)
    const bound = requestHead('/', [`Cookie: other=1; srv=${match![1]}; srv2=x`])
    t.equal(sticky.choose(bound, 0, undefined), slot)
    t.equal(sticky.cookie(bound, slot), undefined, 'it has the cookie')
    t.equal(sticky.choose(bound, 0, new Set([slot])), NO_TARGET, 'it failed')
    t.equal(sticky.choose(requestHead('/', ['Cookie: srv=forged']), 0, undefined), NO_TARGET)
    health('a', false)
    t.equal(sticky.choose(bound, 0, undefined), NO_TARGET)
    t.match(sticky.cookie(bound, upstreams.get('http://b:1').slot), /^srv=/)
    health('a', true)
    upstreams.setDrain('http://a:1', 1_000)
    const now = performance.now()
    t.equal(sticky.choose(bound, now, undefined), slot)
    t.equal(sticky.choose(bound, now + 2_000, undefined), NO_TARGET)
    const secret = compileStickiness({ ...COOKIE, secret: 'x'.repeat(16), secure: 'always' }, group)
    const other = secret.cookie(requestHead('/'), slot)
    t.match(other ?? '', /; Secure/)
    t.notMatch(other ?? '', match![1]!)
  },
)

t.test('by hash: alike goes to one, and when one goes only its own go elsewhere', async (t) => {
  const { group, nameOf, health } = groupOf({ a: {}, b: {}, c: {}, d: {} })
  const sticky = compileStickiness({ by: 'header:x-user', loadFactor: 2 }, group)
  const ask = (user: number) =>
    nameOf(sticky.choose(requestHead('/', [`X-User: user-${user}`]), 0, undefined))
  const before = Array.from({ length: 400 }, (_, user) => ask(user))
  for (const name of ['a', 'b', 'c', 'd']) {
    const own = before.filter((one) => one === name).length
    t.ok(own > 60 && own < 140, `${name} has ${own} of 400`)
  }
  health('b', false)
  for (let user = 0; user < 400; user++) {
    const now = ask(user)
    if (before[user] === 'b') t.not(now, 'b')
    else if (now !== before[user]) t.fail(`user ${user} went from ${before[user]} to ${now}`)
  }
  t.equal(sticky.choose(requestHead('/'), 0, undefined), NO_TARGET, 'nothing to go by')
})

t.test('by hash: weights count', async (t) => {
  const { group, nameOf } = groupOf({ a: { weight: 3 }, b: { weight: 1 } })
  const sticky = compileStickiness({ by: 'path', loadFactor: 1.5 }, group)
  const ask = (path: string) => sticky.choose(requestHead(path), 0, undefined)
  const names = Array.from({ length: 400 }, (_, i) => nameOf(ask(`/${i}`)))
  const a = names.filter((name) => name === 'a').length
  t.ok(a > 260 && a < 340, `a has ${a} of 400`)
})

t.test('by hash: who has too many is passed over', async (t) => {
  const { group, chooser } = groupOf({ a: {}, b: {} })
  const sticky = compileStickiness({ by: 'path', loadFactor: 1.2 }, group)
  for (let i = 0; i < 100; i++) chooser.sent(sticky.choose(requestHead('/hot'), 0, undefined), 0)
  const [few, many] = chooser.loads.inFlight.slice(0, 2).sort((x, y) => x - y)
  t.equal(few! + many!, 100)
  t.ok(few! >= 39 && many! > few!, `${few} and ${many}`)
})

t.test('keys of requests', async (t) => {
  const head = requestHead('/p?u=1&v=%20x', ['Cookie: a=1; bb=2', 'X-Y: z'], '2001:db8::7')
  const key = (by: string) => compileRequestKey(by)(head)
  t.equal(key('address'), '2001:db8:0:0::/64')
  t.equal(key('path'), '/p')
  t.equal(key('host'), 'x')
  t.equal(key('header:x-Y'), 'z')
  t.equal(key('cookie:bb'), '2')
  t.equal(key('cookie:b'), undefined)
  t.equal(key('query:v'), ' x')
  t.equal(clientNetwork('192.0.2.1'), '192.0.2.1')
  t.equal(clientNetwork('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  t.equal(clientNetwork('::1'), clientNetwork('::2'))
})
