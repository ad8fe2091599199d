import t, { type Test } from 'tap'
import type { ErrorBody } from '../../../src/errors.ts'
import { ATTEMPTS_MAX } from '../../../src/front/http1/limits.ts'
import type { Target } from '../../../src/front/plan.ts'
import { until } from '../../helpers/until.ts'
import {
  CLOSED_PORT,
  dial,
  FORWARDERS,
  type Front,
  forwardTo,
  ListPicker,
  type RawSocket,
  rawOrigin,
  startFront,
  targetAt,
} from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH'] as const
const SAFE: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']
const REPLAY_BYTES = 10_000

const SIZES = { none: 0, small: 100, large: 200_000 } as const
type Size = keyof typeof SIZES

/** Where the first attempt fails. */
const PHASES = ['connect', 'sending', 'waiting', 'half a head', 'not-owner', 'not HTTP'] as const
type Phase = (typeof PHASES)[number]

function message(method: string, size: Size): { head: string; body: Buffer } {
  const bytes = SIZES[size]
  const length = bytes > 0 ? `Content-Length: ${bytes}\r\n` : ''
  return {
    head: `${method} / HTTP/1.1\r\nHost: a\r\n${length}\r\n`,
    body: Buffer.alloc(bytes, 'x'),
  }
}

function complete(connection: RawSocket, bytes: number): boolean {
  const head = connection.text.indexOf('\r\n\r\n')
  return head >= 0 && connection.text.length - head - 4 >= bytes
}

/** A first target that fails at `phase`; undefined for the answer that the second one gives. */
async function failing(
  test: Test,
  phase: Phase,
  bytes: number,
): Promise<{ port: number; applied: () => number }> {
  if (phase === 'connect') return { port: CLOSED_PORT, applied: () => 0 }
  let applied = 0
  const origin = await rawOrigin(test, (connection) => {
    if (phase === 'sending' ? !complete(connection, 0) : !complete(connection, bytes)) return
    applied++
    if (phase === 'half a head') connection.write('HTTP/1.1 200 O')
    if (phase === 'not HTTP') connection.write('what?\r\n\r\n')
    if (phase === 'not-owner') {
      connection.write(
        'HTTP/1.1 421 Misdirected\r\naries-fault: ARIES_E_NOT_OWNER\r\naries-owner: n2;h:1;2\r\nContent-Length: 4\r\n\r\nmove',
      )
    } else if (phase === 'half a head') connection.socket.end()
    else if (phase !== 'not HTTP') connection.socket.resetAndDestroy()
  })
  return { port: origin.port, applied: () => applied }
}

interface Verdict {
  readonly status: number
  readonly code?: string
}

/** What the rules say: docs/ARCHITECTURE.md, "The way of a request", step 4. */
function verdict(phase: Phase, method: string, size: Size, repeatable: boolean): Verdict {
  const safe = repeatable || SAFE.includes(method)
  const bodyAtHand = size !== 'large'
  if (phase === 'connect') return { status: 200 }
  if (phase === 'not-owner') {
    return bodyAtHand ? { status: 200 } : { status: 503, code: 'ARIES_E_NO_TARGET' }
  }
  if (!safe) return { status: 502, code: 'ARIES_E_OUTCOME_UNKNOWN' }
  if (phase === 'not HTTP' || !bodyAtHand) return { status: 502, code: 'ARIES_E_BAD_GATEWAY' }
  return { status: 200 }
}

function code(text: string): string | undefined {
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  return body.startsWith('{') ? (JSON.parse(body) as ErrorBody).error.code : undefined
}

for (const phase of PHASES) {
  t.test(`the first target fails: ${phase}`, async (t) => {
    for (const repeatable of [false, true]) {
      for (const method of METHODS) {
        for (const size of ['none', 'small', 'large'] as const) {
          const name = `${method}, ${size} body${repeatable ? ', repeatable' : ''}`
          const bytes = SIZES[size]
          const first = await failing(t, phase, bytes)
          const second = await rawOrigin(t, (connection) => {
            if (complete(connection, bytes)) connection.write(OK)
          })
          const picker = new ListPicker(
            [targetAt(first.port, 'first'), targetAt(second.port)],
            repeatable,
          )
          const front = await startFront(t, () => ({ kind: 'forward', picker }), {
            replayBytesMax: REPLAY_BYTES,
          })
          const client = await dial(t, front.port)
          const { head, body } = message(method, size)
          client.write(head)
          client.write(body)
          await until(`${name}: record`, () => front.records.length === 1)
          const wanted = verdict(phase, method, size, repeatable)
          const status = front.records[0]!.status
          // The reset can overtake the answer of a target that did not read the body.
          await until(`${name}: answer`, () => client.text.includes('\r\n\r\n') || client.closed)
          t.equal(status, wanted.status, name)
          if (wanted.code !== undefined && method !== 'HEAD')
            t.equal(code(client.text), wanted.code, name)
          if (wanted.status === 503) t.match(client.text, /\r\nRetry-After: 1\r\n/, name)
          t.equal(second.requests(), wanted.status === 200 ? 1 : 0, `${name}: second target`)
          if (wanted.status === 200) {
            const sent = second.connections[0]!.text
            t.equal(sent.length - sent.indexOf('\r\n\r\n') - 4, bytes, `${name}: whole body`)
          }
          t.ok(first.applied() <= 1, `${name}: first target asked once`)
          t.equal(picker.done_, 1, `${name}: done once`)
          t.equal(picker.outcomes.length, wanted.status === 200 ? 1 : 0, `${name}: answered`)
          const failure = picker.failures[0] ?? picker.lastFailure
          const wantedPhase = phase === 'half a head' || phase === 'not HTTP' ? 'waiting' : phase
          if (phase === 'sending') t.match(failure?.phase, /sending|waiting/, name)
          else t.equal(failure?.phase, wantedPhase, name)
          t.equal(failure?.target.id, 'first', name)
          if (phase === 'not-owner') t.equal(failure?.owner, 'n2;h:1;2', name)
          client.socket.destroy()
        }
      }
    }
  })
}

async function frontTo(test: Test, picker: ListPicker): Promise<Front> {
  return startFront(test, () => ({ kind: 'forward', picker }))
}

t.test('a 421 of an application is an answer like any other', async (t) => {
  const origin = await rawOrigin(t, (connection) =>
    connection.write('HTTP/1.1 421 M\r\nContent-Length: 2\r\n\r\nno'),
  )
  const picker = new ListPicker([targetAt(origin.port)])
  const client = await dial(t, (await frontTo(t, picker)).port)
  client.write(message('GET', 'none').head)
  await client.has('\r\n\r\nno')
  t.match(client.text, /^HTTP\/1\.1 421 /)
  t.match(picker.outcomes, [{ status: 421 }])
})

t.test('the owner of an answered request is told, not shown', async (t) => {
  const origin = await rawOrigin(t, (connection) =>
    connection.write('HTTP/1.1 200 OK\r\naries-owner: n3;h:2;7\r\nContent-Length: 2\r\n\r\nok'),
  )
  const picker = new ListPicker([targetAt(origin.port)])
  const client = await dial(t, (await frontTo(t, picker)).port)
  client.write(message('GET', 'none').head)
  await client.has('\r\n\r\nok')
  t.match(picker.outcomes, [{ status: 200, owner: 'n3;h:2;7' }])
  t.notMatch(client.text, /owner/i)
})

t.test('the connection of a "not the owner" is used again', async (t) => {
  let asked = 0
  const origin = await rawOrigin(t, (connection) => {
    connection.write(
      ++asked === 1
        ? 'HTTP/1.1 421 M\r\naries-fault: ARIES_E_NOT_OWNER\r\nContent-Length: 2\r\n\r\nno'
        : OK,
    )
  })
  const other = await rawOrigin(t, (connection) => connection.write(OK))
  const picker = new ListPicker([
    targetAt(origin.port),
    targetAt(other.port),
    targetAt(origin.port),
  ])
  const client = await dial(t, (await frontTo(t, picker)).port)
  client.write(message('POST', 'small').head + 'x'.repeat(100))
  await client.has('\r\n\r\nok')
  client.write(message('POST', 'none').head)
  await until('third', () => picker.outcomes.length === 2)
  t.equal(origin.connections.length, 1)
})

t.test('a kept connection that its target closes as the request leaves', async (t) => {
  for (const method of ['GET', 'POST'] as const) {
    const origin = await rawOrigin(t, (connection, index) => {
      // The second request on the first connection meets a target that has given it up.
      if (index === 0 && connection.text.split('HTTP/1.1').length > 2)
        connection.socket.resetAndDestroy()
      else connection.write(OK)
    })
    const target = targetAt(origin.port)
    const picker = new ListPicker([target, target])
    const front = await frontTo(t, picker)
    const client = await dial(t, front.port)
    const { head } = message(method, 'none')
    client.write(head)
    await client.has('\r\n\r\nok')
    client.text = ''
    client.write(head)
    await until('second record', () => front.records.length === 2)
    if (method === 'GET') {
      t.equal(front.records[1]?.status, 200)
      t.equal(picker.failures.length, 0, 'no fault of the target')
      t.equal(origin.connections.length, 2)
    } else {
      t.equal(front.records[1]?.error, 'ARIES_E_OUTCOME_UNKNOWN')
      t.equal(origin.connections.length, 1, 'never sent twice')
    }
  }
})

t.test('a target that gives no connection, and one that cannot even be tried', async (t) => {
  const bad: Target = {
    ...targetAt(1, 'bad'),
    connect: () => {
      throw new Error('closed forwarder')
    },
  }
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const picker = new ListPicker([bad, { ...targetAt(99_999), port: 99_999 }, targetAt(origin.port)])
  const client = await dial(t, (await frontTo(t, picker)).port)
  client.write(message('POST', 'small').head + 'x'.repeat(100))
  await client.has('\r\n\r\nok')
  t.same(
    picker.failures.map(({ phase }) => phase),
    ['connect', 'connect'],
  )
})

t.test('attempts end: at the limit, or with what the picker throws', async (t) => {
  const port = CLOSED_PORT
  const endless = new ListPicker(Array.from({ length: 100 }, (_, i) => targetAt(port, `t${i}`)))
  const front = await frontTo(t, endless)
  const client = await dial(t, front.port)
  client.write(message('GET', 'none').head)
  await client.has('HTTP/1.1 502 ')
  t.equal(front.records[0]?.attempts, ATTEMPTS_MAX)
  t.equal(endless.failures.length, ATTEMPTS_MAX - 1)
  t.equal(endless.lastFailure?.phase, 'connect')
  t.equal(front.engine.stats().retries, ATTEMPTS_MAX - 1)

  const failing = Object.assign(new ListPicker([]), {
    pick: () => Promise.reject(new Error('a bug')),
  })
  const second = await dial(t, (await frontTo(t, failing)).port)
  second.write(message('GET', 'none').head)
  await second.has('HTTP/1.1 500 ')
  t.equal(failing.done_, 1)
})

t.test('a request that kills its targets is sent to one more, not to all', async (t) => {
  for (const kept of [false, true]) {
    const origins = await Promise.all(
      Array.from({ length: 4 }, () =>
        rawOrigin(t, (connection) => {
          if (connection.text.includes('/deadly')) connection.socket.resetAndDestroy()
          else {
            connection.text = ''
            connection.write(OK)
          }
        }),
      ),
    )
    const targets = origins.map(({ port }) => targetAt(port))
    const pickers: ListPicker[] = []
    const front = await startFront(t, () => {
      const picker = new ListPicker([targetAt(CLOSED_PORT), ...targets])
      pickers.push(picker)
      return { kind: 'forward', picker }
    })
    const client = await dial(t, front.port)
    if (kept) {
      client.write('GET /kind HTTP/1.1\r\nHost: a\r\n\r\n')
      await until('an answer', () => front.records.length === 1)
    }
    client.write('GET /deadly HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.has('HTTP/1.1 502 ')
    const asked = origins.map(
      ({ connections }) => connections.filter(({ text }) => text.includes('/deadly')).length,
    )
    // That a kept connection was lost says nothing yet.
    t.strictSame(asked, kept ? [2, 1, 0, 0] : [1, 1, 0, 0])
    const attempts = kept ? 4 : 3
    t.equal(front.records.at(-1)?.attempts, attempts, 'one that could not connect does not count')
    t.equal(pickers.at(-1)?.done_, 1)
  }
})

t.test('a body that comes while the target is still looked for', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    if (complete(connection, 300_000)) connection.write(OK)
  })
  let found: (target: Target) => void = () => {}
  const picker = Object.assign(new ListPicker([]), {
    pick: () =>
      new Promise<Target>((resolve) => {
        found = resolve
      }),
  })
  const front = await startFront(t, () => ({ kind: 'forward', picker }), { replayBytesMax: 1_000 })
  const client = await dial(t, front.port)
  client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n`)
  client.write(Buffer.alloc(300_000, 'x'))
  await until('the client to be held back', () => front.sockets[0]!.isPaused())
  t.ok(front.engine.stats().bytesIn < 200_000, 'not all of it is kept')
  found(targetAt(origin.port))
  await client.has('\r\n\r\nok')
})

for (const forwarder of FORWARDERS) {
  t.test(`${forwarder}: the same promises`, async (t) => {
    const dead = forwardTo(t, forwarder, CLOSED_PORT)
    const alive = await rawOrigin(t, (connection) => connection.write(OK))
    const picker = new ListPicker([dead, forwardTo(t, forwarder, alive.port)])
    const client = await dial(t, (await frontTo(t, picker)).port)
    client.write(message('POST', 'small').head + 'x'.repeat(100))
    await client.has('\r\n\r\nok')
    t.match(picker.failures, [{ phase: 'connect' }], 'a refused connection: any method again')

    const resetting = await rawOrigin(t, (connection) => connection.socket.resetAndDestroy())
    for (const method of ['GET', 'POST'] as const) {
      const target = forwardTo(t, forwarder, resetting.port)
      const second = new ListPicker([target, forwardTo(t, forwarder, alive.port)])
      const other = await dial(t, (await frontTo(t, second)).port)
      other.write(message(method, 'none').head)
      await until('answer', () => /\r\n\r\n(ok|\{.*\})/.test(other.text))
      t.match(other.text, method === 'GET' ? /ok$/ : /ARIES_E_OUTCOME_UNKNOWN/, method)
    }

    const breaking = await rawOrigin(t, (connection) => {
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
      setTimeout(() => connection.socket.resetAndDestroy(), 20)
    })
    const third = new ListPicker([forwardTo(t, forwarder, breaking.port)])
    const last = await dial(t, (await frontTo(t, third)).port)
    last.write(message('GET', 'none').head)
    await until('close', () => last.closed)
    t.match(last.text, /half/)
    t.notMatch(last.text, /\r\n0\r\n/)
  })
}
