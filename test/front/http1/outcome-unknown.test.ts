import t, { type Test } from 'tap'
import { until } from '../../helpers/until.ts'
import { dial, ListPicker, rawOrigin, startFront, targetAt } from './harness.ts'

const BODY = '{"error":{"code":"ARIES_E_OUTCOME_UNKNOWN","message":"m","todo":"t"}}'
const UNKNOWN = `HTTP/1.1 502 Bad Gateway\r\naries-fault: ARIES_E_OUTCOME_UNKNOWN\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** What a client hears whose request meets `answers`, one target each. */
async function ask(t: Test, method: string, answers: readonly string[], keyed = false) {
  const origins = await Promise.all(
    answers.map((answer) => rawOrigin(t, (connection) => connection.write(answer))),
  )
  const targets = origins.map(({ port }) => targetAt(port))
  const picker = new ListPicker(targets, keyed)
  const front = await startFront(t, () => ({ kind: 'forward', picker }))
  const client = await dial(t, front.port)
  client.write(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody`)
  await until('an answer', () => front.records.length === 1)
  const bodies = origins.map(({ connections }) => connections[0]?.text.endsWith('body') ?? false)
  return { ...front.records[0]!, bodies }
}

t.test(
  'what is safe to repeat is asked again when a host lost the answer of its store',
  async (t) => {
    for (const [method, keyed] of [
      ['GET', false],
      ['PUT', false],
      ['POST', true],
    ] as const) {
      const record = await ask(t, method, [UNKNOWN, OK], keyed)
      t.match(record, { status: 200, attempts: 2, bodies: [true, true] }, method)
    }
  },
)

t.test('once, and what is not safe never', async (t) => {
  t.match(await ask(t, 'GET', [UNKNOWN, UNKNOWN, OK]), {
    status: 502,
    attempts: 2,
    error: 'ARIES_E_OUTCOME_UNKNOWN',
  })
  t.match(await ask(t, 'POST', [UNKNOWN, OK]), { status: 502, attempts: 1, bodies: [true, false] })
})
