import t from 'tap'
import type { Worker } from '../../src/worker/index.ts'
import { type CallAnswer, type OutgoingCall, workersBy } from '../../src/worker/workers.ts'
import type Caller from '../host/fixtures/caller.ts'
import type Ledger from '../host/fixtures/ledger.ts'

const made: OutgoingCall[] = []
const workers = workersBy(async (call): Promise<CallAnswer> => {
  made.push(call)
  return { status: 204, headers: [], body: call.calls === undefined ? new Uint8Array() : undefined }
})

t.test('handles are typed by the class: its own methods, and no others', async (t) => {
  const ledger = workers.get<Ledger>('ledger', 'a')
  const sum: Promise<number> = ledger.call.add(1)
  const text: Promise<string> = ledger.call.wait(1)
  const passed: Promise<string> = workers.get<Caller>('caller', 'a').call.pass(['b'])
  // @ts-expect-error -- an argument of another type
  const wrong: Promise<number> = ledger.call.add('1')
  // @ts-expect-error -- a handler is not for callers
  const handler: unknown = ledger.call.fetch
  // @ts-expect-error -- nor is what every worker has
  const inherited: unknown = ledger.call.setAlarm
  t.ok(handler && inherited)
  await Promise.all([sum, text, passed, wrong])
})

t.test('a handle is no promise and no JSON; looking at it calls nothing', async (t) => {
  made.length = 0
  const handle = workers.get<Ledger>('ledger', 'a')
  const { call } = handle
  t.equal(await Promise.resolve(call), call)
  t.equal(JSON.stringify(call), '{}')
  t.type(`${Object.keys(call)}`, 'string')
  t.equal(handle.with({ key: 'k' }).key, 'a')
  t.equal(made.length, 0)
})

t.test('options add up, and fetch takes what the web takes', async (t) => {
  made.length = 0
  const handle = workers.get('ledger', 'ä/b').with({ key: 'k' }).with({ timeoutMs: 5 })
  t.equal((await handle.fetch('/a b?c=%20')).status, 204)
  await handle.fetch(new URL('https://example.org:8443/x'), { method: 'DELETE' })
  await handle.fetch(new Request('http://h/', { method: 'PUT', body: 'text' }))
  t.match(made, [
    { url: '/a%20b?c=%20', method: 'GET', key: 'k', timeoutMs: 5, headers: [['host', 'ledger']] },
    { url: '/x', method: 'DELETE', headers: [['host', 'example.org:8443']] },
    { url: '/', method: 'PUT', body: Buffer.from('text') },
  ])
  await workers.get('ledger', 'a').fetch('/', { headers: { 'idempotency-key': 'field' } })
  t.equal(made.at(-1)!.key, 'field')
})

t.test('names that no worker can have are refused at once', async (t) => {
  for (const [name, key] of [
    ['ledger', ''],
    ['led/ger', 'a'],
    ['', 'a'],
    ['ledger', 'a\0'],
    ['ledger', 'k'.repeat(513)],
    ['ledger', 5],
  ] as [string, string][]) {
    t.throws(() => workers.get<Worker>(name, key), { code: 'ARIES_E_BAD_REQUEST' })
  }
})
