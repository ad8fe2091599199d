import t, { type Test } from 'tap'
import type { Http1EngineInit } from '../../../src/front/http1/engine.ts'
import { ask, rawOrigin, startFrontTo, targetAt } from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** What the target and the record have of a request with `lines`. */
async function seen(t: Test, init: Partial<Http1EngineInit>, lines: readonly string[] = []) {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFrontTo(t, targetAt(origin.port), init)
  const head = ['GET / HTTP/1.1', 'Host: a', ...lines, 'Connection: close', '', '']
  await ask(t, front.port, head.join('\r\n'))
  const { text } = origin.connections[0]!
  const all = (name: string): string[] =>
    Array.from(text.matchAll(new RegExp(`\r\n${name}: (.*)(?=\r\n)`, 'gi')), ([, value]) => value!)
  const [record] = front.records
  return { all, requestId: record?.requestId, traceId: record?.traceId }
}

t.test('a request gets an id, or keeps that of a trusted proxy', async (t) => {
  const made = await seen(t, { requestId: true }, ['X-Request-Id: mine'])
  t.match(made.all('x-request-id'), [/^[0-9a-f]{32}$/])
  t.equal(made.all('x-request-id').length, 1)
  t.equal(made.requestId, made.all('x-request-id')[0])
  const trustedProxies = ['127.0.0.1']
  const kept = await seen(t, { requestId: true, trustedProxies }, ['X-Request-Id: mine'])
  t.same([kept.all('x-request-id'), kept.requestId], [['mine'], 'mine'])
  const strange = `X-Request-Id: ${'x'.repeat(129)}`
  const replaced = await seen(t, { requestId: true, trustedProxies }, [strange])
  t.match(replaced.all('x-request-id'), [/^[0-9a-f]{32}$/])
  const off = await seen(t, {}, ['X-Request-Id: mine'])
  t.same([off.all('x-request-id'), off.requestId], [['mine'], undefined])
})

t.test('a trace goes on, or begins, with its part of samples', async (t) => {
  const on = { trace: { sample: 1 } }
  const passed = await seen(t, on, [`traceparent: ${PARENT}`, 'tracestate: a=1'])
  t.same([passed.all('traceparent'), passed.all('tracestate')], [[PARENT], ['a=1']])
  t.equal(passed.traceId, '0af7651916cd43dd8448eb211c80319c')
  t.match((await seen(t, on)).all('traceparent'), [/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/])
  const never = await seen(t, { trace: { sample: 0 } })
  t.match(never.all('traceparent'), [/-00$/])
  t.ok(never.all('traceparent')[0]!.includes(never.traceId!))
  const future = `cc${PARENT.slice(2)}-what-comes`
  t.same((await seen(t, on, [`traceparent: ${future}`])).all('traceparent'), [future])
  for (const bad of [
    `ff${PARENT.slice(2)}`,
    `${PARENT}-more`,
    PARENT.toUpperCase(),
    PARENT.replace('b7ad6b7169203331', '0'.repeat(16)),
    PARENT.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
    'nonsense',
  ]) {
    const anew = await seen(t, on, [`traceparent: ${bad}`, 'tracestate: a=1'])
    t.match(anew.all('traceparent'), [/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/], bad)
    t.same(anew.all('tracestate'), [])
  }
})

t.test('Forwarded, when it is wanted', async (t) => {
  const forwarded = true
  t.same((await seen(t, {})).all('forwarded'), [])
  t.same((await seen(t, { forwarded })).all('forwarded'), ['for=127.0.0.1;host="a";proto=http'])
  t.same((await seen(t, { forwarded }, ['Forwarded: for=1.1.1.1'])).all('forwarded'), [
    'for=127.0.0.1;host="a";proto=http',
  ])
  const trustedProxies = ['127.0.0.1']
  const chain = await seen(t, { forwarded, trustedProxies }, ['Forwarded: for=1.1.1.1'])
  t.same(chain.all('forwarded'), ['for=1.1.1.1, for=127.0.0.1;host="a";proto=http'])
})
