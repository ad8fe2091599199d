import t from 'tap'
import type { Route } from '../../src/config/schema.ts'
import { RouteTable } from '../../src/front/routes.ts'

const routes: Route[] = [
  { path: '/hello', task: '/app/workers/hello.ts' },
  { path: '/counter/:key', worker: '/app/workers/counter.ts' },
  { path: '/shop/:shop/cart/:key/*', worker: '/app/workers/cart.ts' },
  { path: '/counter/special', task: '/app/workers/never.ts' },
  { path: '/a.b/*', upstreams: ['http://127.0.0.1:9001', 'http://[::1]:9002'], forwarder: 'aries' },
]
const table = new RouteTable(routes)

t.test('a literal path matches itself alone', async (t) => {
  t.match(table.match('/hello'), { route: { kind: 'task', task: 'hello' } })
  t.equal(table.match('/hello/'), undefined)
  t.equal(table.match('/hellO'), undefined)
  t.equal(table.match('/hell'), undefined)
  t.equal(table.match('/'), undefined)
})

t.test('the key is one segment, percent-decoded', async (t) => {
  t.match(table.match('/counter/a'), { worker: { class: 'counter', key: 'a' } })
  t.match(table.match('/counter/a%2Fb%20%C3%A4'), { worker: { class: 'counter', key: 'a/b ä' } })
  t.equal(table.match('/counter/'), undefined)
  t.equal(table.match('/counter/a/b'), undefined)
  t.match(table.match('/shop/x/cart/y/items/1'), { worker: { class: 'cart', key: 'y' } })
  t.match(table.match('/shop/x/cart/y/'), { worker: { class: 'cart', key: 'y' } })
})

t.test('the first route that matches is taken', async (t) => {
  t.match(table.match('/counter/special'), { worker: { class: 'counter', key: 'special' } })
})

t.test('a last * takes the rest, and the literal text before it is literal', async (t) => {
  t.match(table.match('/a.b/'), { route: { kind: 'upstreams' } })
  t.match(table.match('/a.b/x/../y'), { route: { kind: 'upstreams' } })
  t.equal(table.match('/aXb/x'), undefined)
  t.equal(table.match('/a.b'), undefined)
})

t.test('upstreams are parsed to host and port', async (t) => {
  t.match(table.match('/a.b/'), {
    route: {
      upstreams: [
        { url: 'http://127.0.0.1:9001', host: '127.0.0.1', port: 9001 },
        { host: '::1', port: 9002 },
      ],
    },
  })
})

t.test('a key that is not valid is the fault of the client', async (t) => {
  t.throws(() => table.match('/counter/%zz'), { code: 'ARIES_E_BAD_REQUEST' })
  t.throws(() => table.match('/counter/a%00b'), { code: 'ARIES_E_BAD_REQUEST' })
  t.throws(() => table.match(`/counter/${'x'.repeat(513)}`), { code: 'ARIES_E_BAD_REQUEST' })
  t.ok(table.match(`/counter/${'x'.repeat(512)}`))
})

t.test('a route that cannot be served is refused', async (t) => {
  const refused: Route[] = [
    { path: '/x', worker: '/app/x.ts' },
    { path: '/x/:key/:key', worker: '/app/x.ts' },
    { path: '/x', upstreams: ['https://127.0.0.1:1'], forwarder: 'aries' },
    { path: '/x', upstreams: ['http://127.0.0.1:1/path'], forwarder: 'aries' },
    { path: '/x', upstreams: ['nonsense'], forwarder: 'aries' },
  ]
  for (const route of refused) {
    t.throws(() => new RouteTable([route]), { code: 'ARIES_E_CONFIG' }, JSON.stringify(route))
  }
})
