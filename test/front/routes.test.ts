import t from 'tap'
import type { Route } from '../../src/config/schema.ts'
import { RouteTable } from '../../src/front/routes.ts'
import { fillTemplate, PathPattern, unknownNames } from '../../src/path-pattern.ts'

const routes: Route[] = [
  { path: '/hello', task: '/app/workers/hello.ts' },
  { path: '/counter/:key', worker: '/app/workers/counter.ts' },
  { path: '/shop/:shop/cart/:key/*', worker: '/app/workers/cart.ts' },
  { path: '/counter/special', task: '/app/workers/never.ts' },
  { path: '/a.b/*', upstreams: ['http://127.0.0.1:9001', 'http://[::1]:9002'], forwarder: 'aries' },
]
const table = new RouteTable(routes)

interface Asked {
  readonly method?: string
  readonly scheme?: 'http' | 'https'
  readonly headers?: Readonly<Record<string, string>>
}

function match(
  from: RouteTable,
  target: string,
  { method = 'GET', scheme = 'http', headers = {} }: Asked = {},
) {
  const path = target.replace(/\?.*/s, '')
  return from.match({ method, scheme, target, path, header: (name) => headers[name] })
}

t.test('a literal path matches itself alone', async (t) => {
  t.match(match(table, '/hello'), { route: { kind: 'task', task: 'hello' } })
  t.equal(match(table, '/hello/'), undefined)
  t.equal(match(table, '/hellO'), undefined)
  t.equal(match(table, '/hell'), undefined)
  t.equal(match(table, '/'), undefined)
})

t.test('the key is one segment, percent-decoded', async (t) => {
  t.match(match(table, '/counter/a'), { worker: { class: 'counter', key: 'a' } })
  t.match(match(table, '/counter/a%2Fb%20%C3%A4'), { worker: { class: 'counter', key: 'a/b ä' } })
  t.equal(match(table, '/counter/'), undefined)
  t.equal(match(table, '/counter/a/b'), undefined)
  t.match(match(table, '/shop/x/cart/y/items/1'), { worker: { class: 'cart', key: 'y' } })
  t.match(match(table, '/shop/x/cart/y/'), { worker: { class: 'cart', key: 'y' } })
})

t.test('the first route that matches is taken', async (t) => {
  t.match(match(table, '/counter/special'), { worker: { class: 'counter', key: 'special' } })
})

t.test('a last * takes the rest, and the literal text before it is literal', async (t) => {
  t.match(match(table, '/a.b/'), { route: { kind: 'upstreams' } })
  t.match(match(table, '/a.b/x/../y'), { route: { kind: 'upstreams' } })
  t.equal(match(table, '/aXb/x'), undefined)
  t.equal(match(table, '/a.b'), undefined)
})

t.test('upstreams are parsed to host and port', async (t) => {
  t.match(match(table, '/a.b/'), {
    route: {
      items: [
        { upstreams: [{ url: 'http://127.0.0.1:9001', host: '127.0.0.1', port: 9001 }] },
        { upstreams: [{ host: '::1', port: 9002 }] },
      ],
    },
  })
})

t.test('a key that is not valid is the fault of the client', async (t) => {
  t.throws(() => match(table, '/counter/%zz'), { code: 'ARIES_E_BAD_REQUEST' })
  t.throws(() => match(table, '/counter/a%00b'), { code: 'ARIES_E_BAD_REQUEST' })
  t.throws(() => match(table, `/counter/${'x'.repeat(513)}`), { code: 'ARIES_E_BAD_REQUEST' })
  t.ok(match(table, `/counter/${'x'.repeat(512)}`))
})

t.test('a route that cannot be served is refused', async (t) => {
  const refused: Route[] = [
    { path: '/x', worker: '/app/x.ts' },
    { path: '/x/:key/:key', worker: '/app/x.ts' },
    { path: '/x', upstreams: ['ftp://127.0.0.1:1'], forwarder: 'aries' },
    { path: '/x', upstreams: ['http://127.0.0.1:1/path'], forwarder: 'aries' },
    { path: '/x', upstreams: ['nonsense'], forwarder: 'aries' },
  ]
  for (const route of refused) {
    t.throws(() => new RouteTable([route]), { code: 'ARIES_E_CONFIG' }, JSON.stringify(route))
  }
})

t.test('a route takes only what meets its conditions; others get their turn', async (t) => {
  const of = (parts: object, status: number) => ({
    path: '/*',
    ...parts,
    respond: { status, headers: {}, body: '' },
  })
  const conditional = new RouteTable([
    of({ host: 'shop.example' }, 201),
    of({ host: '*.example' }, 202),
    of({ methods: ['POST', 'PUT'] }, 203),
    of({ headers: { 'X-Version': '2' } }, 204),
    of({ headers: { Cookie: '*' }, query: { beta: '1' } }, 205),
    of({ query: { 'a b': '*' } }, 206),
    of({ scheme: 'https' }, 207),
  ])
  const status = (target: string, asked?: Asked) =>
    (match(conditional, target, asked)?.route as { status?: number } | undefined)?.status
  t.equal(status('/', { headers: { host: 'Shop.Example:8080' } }), 201)
  t.equal(status('/', { headers: { host: 'a.shop.example' } }), 202)
  t.equal(status('/', { headers: { host: 'example' } }), undefined)
  t.equal(status('/', { headers: { host: '.example' } }), undefined)
  t.equal(status('/', { headers: { host: 'evilexample' } }), undefined)
  t.equal(status('/', { method: 'PUT' }), 203)
  t.equal(status('/', { headers: { 'x-version': '2' } }), 204)
  t.equal(status('/', { headers: { 'x-version': '22' } }), undefined)
  t.equal(status('/?beta=1', { headers: { cookie: 'c' } }), 205)
  t.equal(status('/?beta=2&beta=1', { headers: { cookie: 'c' } }), undefined, 'the first counts')
  t.equal(status('/?beta=1'), undefined, 'all conditions')
  t.equal(status('/?a+b='), 206)
  t.equal(status('/', { scheme: 'https' }), 207)
})

t.test('templates are filled with what the path had, and lead to no other host', async (t) => {
  const filled = (pattern: string, template: string, target: string) => {
    const taken = new PathPattern(pattern).match(target.replace(/\?.*/s, ''))
    return taken && fillTemplate(template, taken, target)
  }
  t.equal(filled('/old/:id/*', '/new/*', '/old/7/a/b'), '/new/a/b')
  t.equal(filled('/old/:id/x', '/new/:id', '/old/%2F7/x?q=1'), '/new/%2F7?q=1')
  t.equal(filled('/a', 'https://b.example:8080/c?d=e', '/a?f'), 'https://b.example:8080/c?d=e&f')
  t.equal(filled('/go/*', '/*', '/go//evil.example'), '/evil.example')
  t.equal(filled('/go/*', '/*', '/go/\\evil.example'), '/evil.example')
  t.equal(filled('/go/*', '/*', '/go/$&'), '/$&')
  t.strictSame(unknownNames('/x/:a/:b/*', '/y/:a'), [':b', '*'])
  t.strictSame(unknownNames('http://h:80/:a/*', '/:a/*'), [])
})
