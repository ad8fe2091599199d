/** The `Response` of host processes against Node's: whoever looks sees no difference. */
import { inspect } from 'node:util'
import t from 'tap'
import { leanParts, useLeanResponse } from '../../src/worker/lean-response.ts'

const Native = globalThis.Response
useLeanResponse()

type Make = (R: typeof Response) => Response

const MADE: Record<string, Make> = {
  text: (R) => new R('hällo'),
  'empty text': (R) => new R(''),
  'no body': (R) => new R(),
  'no body, 204': (R) => new R(null, { status: 204 }),
  json: (R) => R.json({ a: [1, 'ü'] }),
  'json with status and headers': (R) => R.json(1, { status: 405, headers: { allow: 'GET' } }),
  'json with a type': (R) => R.json(1, { headers: { 'Content-Type': 'application/x' } }),
  'json with a status text': (R) => R.json(1, { status: 299, statusText: 'Fine' }),
  'headers as pairs': (R) =>
    new R('a', {
      headers: [
        ['set-cookie', 'a'],
        ['set-cookie', 'b'],
      ],
    }),
  'headers as Headers': (R) => new R(null, { headers: new Headers({ x: 'y' }) }),
  bytes: (R) => new R(Uint8Array.of(1, 2)),
  'of another': (R) => new R('a', new R('b', { status: 201, headers: { x: 'y' } })),
  redirect: (R) => R.redirect('http://a/', 303),
  lone: (R) => new R('\ud800'),
}

const BAD: Record<string, Make> = {
  'body with 204': (R) => new R('a', { status: 204 }),
  'json with 304': (R) => R.json(1, { status: 304 }),
  'status 99': (R) => new R('a', { status: 99 }),
  'status 600': (R) => new R(null, { status: 600 }),
  'a bad header': (R) => new R('a', { headers: { 'a b': 'c' } }),
  'a line break in a header': (R) => new R('a', { headers: { a: 'b\r\nc: d' } }),
  'a bad status text': (R) => new R('a', { statusText: 'ä\n' }),
  'nothing as json': (R) => R.json(undefined),
  'init that is none': (R) => new R('a', 5 as never),
}

async function seen(response: Response): Promise<unknown> {
  const copy = response.clone()
  const { status, ok, statusText, type, url, redirected, bodyUsed } = response
  return {
    said: { status, ok, statusText, type, url, redirected, bodyUsed },
    headers: [...response.headers],
    isThere: response.body !== null,
    text: await response.text(),
    used: response.bodyUsed,
    bytes: [...new Uint8Array(await copy.arrayBuffer())],
  }
}

for (const [name, made] of Object.entries(MADE)) {
  t.test(name, async (t) => {
    t.same(await seen(made(Response)), await seen(made(Native)))
    t.ok(made(Response) instanceof Response)
    t.ok(made(Native) instanceof Response)
  })
}

for (const [name, made] of Object.entries(BAD)) {
  t.test(name, async (t) => {
    const thrown = (R: typeof Response): string => {
      try {
        made(R)
        return 'nothing'
      } catch (error) {
        return String(error)
      }
    }
    t.equal(thrown(Response), thrown(Native))
    t.not(thrown(Response), 'nothing')
  })
}

t.test('it is kept until somebody looks into it', async (t) => {
  const response = Response.json({ a: 1 })
  t.equal(response.status, 200)
  t.match(leanParts(response), { status: 200, body: '{"a":1}', contentType: 'application/json' })
  response.headers.set('x', 'y')
  t.equal(leanParts(response), undefined)
  t.equal(response.headers.get('x'), 'y')
  t.equal(leanParts(new Native('a')), undefined)
  let counted = 0
  const once = { toJSON: () => ++counted }
  t.equal(await Response.json(once, { statusText: 'x' }).text(), '1')
})

t.test('what extends it, and what is none', (t) => {
  class Own extends Response {
    get mine(): string {
      return 'mine'
    }
  }
  const own = new Own('a', { status: 201 })
  t.equal(own.mine, 'mine')
  t.equal(own.status, 201)
  t.ok(own instanceof Own && own instanceof Response)
  t.notOk(({} as unknown) instanceof Response)
  t.equal(Object.prototype.toString.call(own), '[object Response]')
  t.equal(inspect(new Response('a')), inspect(new Native('a')))
  t.end()
})
