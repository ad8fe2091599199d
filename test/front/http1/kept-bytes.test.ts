import t from 'tap'
import type { Target } from '../../../src/front/plan.ts'
import { until } from '../../helpers/until.ts'
import { dial, ListPicker, rawOrigin, startFront, targetAt } from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

function post(bytes: number): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`
}

/** Holds its request until `release`: as one whose worker has no owner. */
class WaitingPicker extends ListPicker {
  readonly #target: Target
  readonly #released: Promise<void>

  constructor(target: Target, released: Promise<void>) {
    super([target])
    this.#target = target
    this.#released = released
  }

  override async pick(): Promise<Target> {
    await this.#released
    return this.#target
  }
}

t.test('requests that wait keep no more than front.keptBytesMax of bodies', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFront(
    t,
    () => ({ kind: 'forward', picker: new WaitingPicker(targetAt(origin.port), released) }),
    { keptBytesMax: 1_000 },
  )
  const first = await dial(t, front.port)
  first.write(post(700))
  await until('the first waits', () => front.heads.length === 1)
  const second = await dial(t, front.port)
  second.write(post(700))
  await until('the second is refused', () => second.text.includes('front.keptBytesMax'))
  for (const part of ['HTTP/1.1 503 ', '\r\nRetry-After: 1\r\n', 'ARIES_E_OVERLOADED']) {
    t.ok(second.text.includes(part), part)
  }
  const small = await dial(t, front.port)
  small.write(post(200))
  await until('a small one waits too', () => front.heads.length === 3)
  release()
  await until('both are answered', () => first.text.endsWith('ok') && small.text.endsWith('ok'))
  const later = await dial(t, front.port)
  later.write(post(700))
  await until('there is room again', () => later.text.endsWith('ok'))
})

t.test('a body on its way is sent on without being kept when there is no room', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    if (connection.text.endsWith('end')) connection.write(OK)
  })
  const picker = new ListPicker([targetAt(origin.port)])
  const front = await startFront(t, () => ({ kind: 'forward', picker }), { keptBytesMax: 100 })
  const client = await dial(t, front.port)
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 303\r\n\r\n')
  await until('it is on its way', () => origin.requests() === 1)
  client.write(`${'x'.repeat(300)}end`)
  await until('it is answered', () => client.text.endsWith('ok'))
  t.match(front.records[0], { status: 200, attempts: 1 })
})

t.test(
  'a target that loses a kept connection and a new one as it ends is one target',
  async (t) => {
    let served = 0
    const dying = await rawOrigin(t, (connection) => {
      if (served++ === 0) connection.write(OK)
      else connection.socket.resetAndDestroy()
    })
    const second = await rawOrigin(t, (connection) => connection.write(OK))
    let requests = 0
    const front = await startFront(t, () => {
      const dead = targetAt(dying.port)
      const targets = requests++ === 0 ? [dead] : [dead, targetAt(second.port)]
      return { kind: 'forward', picker: new ListPicker(targets) }
    })
    const client = await dial(t, front.port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await until('the connection is kept', () => front.records.length === 1)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await until('the second is answered', () => front.records.length === 2)
    t.match(front.records[1], { status: 200, attempts: 3 })
  },
)
