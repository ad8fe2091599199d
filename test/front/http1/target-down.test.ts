import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { ErrorBody } from '../../../src/errors.ts'
import { DOWN_GRACE_MS } from '../../../src/front/http1/limits.ts'
import { until } from '../../helpers/until.ts'
import { dial, FRONT, type Front, ListPicker, rawOrigin, startFront, targetAt } from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A front whose first target takes requests and says nothing, and whose second answers. */
async function frontBefore(t: Test, repeatable = false) {
  const silent = await rawOrigin(t, () => {})
  const second = await rawOrigin(t, (connection) => connection.write(OK))
  const picker = new ListPicker(
    [targetAt(silent.port, 'n1'), targetAt(second.port, 'n2')],
    repeatable,
  )
  const front = await startFront(t, () => ({ kind: 'forward', picker }))
  return { front, silent, second }
}

async function ask(t: Test, front: Front, request: string) {
  const client = await dial(t, front.port)
  client.write(request)
  return client
}

t.test('what is safe to repeat leaves a dead target at once', async (t) => {
  for (const method of ['GET', 'PUT', 'POST']) {
    const { front, silent, second } = await frontBefore(t, method === 'POST')
    await ask(t, front, `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`)
    await until('the first target has it', () => silent.requests() === 1)
    front.engine.targetDown('n3')
    t.equal(second.requests(), 0, `${method}: another target's death is no matter`)
    front.engine.targetDown('n1')
    await until(`${method} is answered`, () => front.records.length === 1)
    t.match(front.records[0], { status: 200, attempts: 2, targetId: 'n2' }, method)
  }
})

t.test(
  'any number of targets may die: what gossip finds dead did not die of the request',
  async (t) => {
    const silent = await Promise.all(['n1', 'n2', 'n3', 'n4'].map(() => rawOrigin(t, () => {})))
    const last = await rawOrigin(t, (connection) => connection.write(OK))
    const targets = [...silent, last].map(({ port }, i) => targetAt(port, `n${i + 1}`))
    const front = await startFront(t, () => ({ kind: 'forward', picker: new ListPicker(targets) }))
    await ask(t, front, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    for (const [i, origin] of silent.entries()) {
      await until('the target has it', () => origin.requests() === 1)
      front.engine.targetDown(`n${i + 1}`)
    }
    await until('it is answered', () => front.records.length === 1)
    t.match(front.records[0], { status: 200, attempts: 5, targetId: 'n5' })
  },
)

t.test('what is not safe to repeat waits for its answer for a while', async (t) => {
  const { front, silent, second } = await frontBefore(t)
  const client = await ask(t, front, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  await until('the first target has it', () => silent.requests() === 1)
  front.engine.targetDown('n1')
  await until('it has an answer', () => front.records.length === 1, DOWN_GRACE_MS + 5_000)
  t.match(front.records[0], { status: 502, attempts: 1 })
  await until('the body has come', () => client.text.includes('}'))
  const body = JSON.parse(client.text.slice(client.text.indexOf('{'))) as ErrorBody
  t.equal(body.error.code, 'ARIES_E_OUTCOME_UNKNOWN')
  t.equal(second.requests(), 0, 'it was not sent twice')
})

t.test('the answer of a target that is not dead after all is passed on', async (t) => {
  const { front, silent } = await frontBefore(t)
  const client = await ask(t, front, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  await until('the target has it', () => silent.requests() === 1)
  front.engine.targetDown('n1')
  silent.connections[0]!.write(OK)
  await until('it is answered', () => client.text.endsWith('ok'))
  t.match(front.records[0], { status: 200, attempts: 1 })
})

t.test('who waits for a connection to a dead target goes on, whatever the method', async (t) => {
  const second = await rawOrigin(t, (connection) => connection.write(OK))
  // A name that is never looked up: as with a machine that is cut off, connecting does not end.
  const hangs = (): Socket => connect({ host: 'nowhere.invalid', port: 1, lookup: () => {} })
  const front = await startFront(t, () => {
    const targets = [{ ...targetAt(1, 'n1'), connect: hangs }, targetAt(second.port, 'n2')]
    return { kind: 'forward', picker: new ListPicker(targets) }
  })
  await ask(t, front, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  await until('it is being tried', () => front.engine.stats().attempts === 1)
  front.engine.targetDown('n1')
  await until('it is answered', () => front.records.length === 1, FRONT.connectTimeoutMs / 2)
  t.match(front.records[0], { status: 200, attempts: 2, targetId: 'n2' })
})
