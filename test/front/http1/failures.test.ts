/** Runs the table of docs/reference/failures.md: each line has an upstream here that does it. */
import { readFileSync } from 'node:fs'
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { until } from '../../helpers/until.ts'
import { CLOSED_PORT, dial, type RawSocket, rawOrigin, startFrontTo, targetAt } from './harness.ts'

/** For lines that end with a limit; the others have the defaults, which no test waits for. */
const SHORT_MS = 150
/** More than the systems and the engine take for a connection that nobody reads. */
const BODY_BYTES = 24_000_000
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const HALF = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'

interface Upstream {
  /** Called when something of a request has come. Without: see `target`. */
  readonly answer?: (connection: RawSocket, seen: (part: string) => Promise<void>) => void
  readonly connect?: () => Duplex
  /** The request has a large body. */
  readonly sendsBody?: boolean
}

/** Writes `text`, and when the client has the `half` of it does `then`: a reset would overtake it. */
function after(text: string, then: (connection: RawSocket) => void) {
  return (connection: RawSocket, seen: (part: string) => Promise<void>): void => {
    connection.write(text)
    void seen('half').then(() => then(connection))
  }
}

/** Something every few milliseconds, as long as the connection is there. */
function often(pieces: (n: number) => string | undefined) {
  return (connection: RawSocket): void => {
    let n = 0
    const timer = setInterval(() => {
      const piece = pieces(n++)
      if (piece === undefined || connection.closed) clearInterval(timer)
      else connection.write(piece)
    }, 40)
    connection.socket.once('close', () => clearInterval(timer))
  }
}

const close = (connection: RawSocket): unknown => connection.socket.end()
const reset = (connection: RawSocket): unknown => connection.socket.resetAndDestroy()
const write = (text: string) => (connection: RawSocket) => connection.write(text)

/** A connection that is never made. */
function neverConnects(): Duplex {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  return Object.assign(stream, { connecting: true })
}

const UPSTREAMS: Readonly<Record<string, Upstream>> = {
  'refuses connections': {},
  'takes no connection': { connect: neverConnects },
  'closes instead of answering': { answer: close },
  'resets instead of answering': { answer: reset },
  'never answers': { answer: () => {} },
  'sends its head a byte at a time, for ever': { answer: often((n) => 'HTTP/1.1 200 O'[n] ?? 'O') },
  'sends interim answers only': {
    answer: often((n) => (n < 10 ? 'HTTP/1.1 103 Early Hints\r\n\r\n' : '')),
  },
  'sends half a head and closes': {
    answer(connection) {
      connection.write('HTTP/1.1 200 O')
      close(connection)
    },
  },
  'sends a head that is too large': {
    answer: write(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(300_000)}`),
  },
  'answers with garbage': { answer: write('SSH-2.0-OpenSSH_9.9\r\n\r\n') },
  'frames its answer in two ways': {
    answer: write(
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
  },
  'floods with interim answers': {
    answer: write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)),
  },
  'switches protocols unasked': {
    answer: write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
  },
  'closes in the middle of its body': { answer: after(HALF, close) },
  'resets in the middle of its body': { answer: after(HALF, reset) },
  'sends a bad chunk': {
    answer: after(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
      write('0x4\r\n'),
    ),
  },
  'stops in the middle of its body': { answer: write(HALF) },
  'sends its body slowly': {
    answer: often((n) =>
      n === 0 ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n' : n < 10 ? 'y' : undefined,
    ),
  },
  'sends bytes behind its answer': { answer: write(`${OK}HTTP/1.1 200 OK\r\n\r\nevil`) },
  'sends a body where there is none': {
    answer: write('HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil'),
  },
  'answers before it has the body': {
    sendsBody: true,
    answer(connection) {
      if (connection.bytes < 1_000_000) write(OK)(connection)
      connection.socket.pause()
    },
  },
  'does not read the body': {
    sendsBody: true,
    answer: (connection) => connection.socket.pause(),
  },
  'answers 503': { answer: write('HTTP/1.1 503 Unavailable\r\nContent-Length: 2\r\n\r\nno') },
}

interface Line {
  readonly upstream: string
  readonly method: 'GET' | 'POST'
  readonly status: number
  readonly code: string | undefined
  readonly isCut: boolean
  readonly limit: string | undefined
}

/** The lines of the page, two for each: by GET and by POST. */
function linesOfPage(): Line[] {
  const page = new URL('../../../docs/reference/failures.md', import.meta.url)
  const rows = readFileSync(page, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .slice(1)
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  return rows.flatMap(([upstream = '', get = '', post = '', latest = '']) =>
    (['GET', 'POST'] as const).map((method) => {
      const answer = method === 'GET' ? get : post
      const match = /^(\d{3})(?: `(\w+)`)?(, then a reset)?$/.exec(answer)
      if (match === null) throw new Error(`the page says "${answer}"`)
      const [, status, code, cut] = match
      const limit = /^`(\w+)`$/.exec(latest)?.[1]
      return { upstream, method, status: Number(status), code, isCut: cut !== undefined, limit }
    }),
  )
}

async function run(t: Test, line: Line): Promise<void> {
  const { upstream, method } = line
  const { answer, connect, sendsBody } = UPSTREAMS[upstream]!
  const name = `${upstream}, ${method}`
  const answered = new Set<RawSocket>()
  const { promise: dialled, resolve: isDialled } = Promise.withResolvers<RawSocket>()
  const origin = answer
    ? await rawOrigin(t, (connection) => {
        const isFirst = !answered.has(connection)
        answered.add(connection)
        if (isFirst) answer(connection, (part) => dialled.then((client) => client.has(part)))
      })
    : undefined
  const target = { ...targetAt(origin?.port ?? CLOSED_PORT), ...(connect && { connect }) }
  const front = await startFrontTo(t, target, line.limit ? { [line.limit]: SHORT_MS } : {})
  const client = await dial(t, front.port)
  isDialled(client)
  const length = sendsBody ? BODY_BYTES : method === 'POST' ? 3 : 0
  client.write(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`)
  if (length > 0) client.write(Buffer.alloc(length, 'x'))
  await until(`${name}: an end`, () => front.records.length === 1)
  if (line.isCut) await until(`${name}: closed`, () => client.closed)
  else await until(`${name}: an answer`, () => finalOf(client).includes('\r\n\r\n'))
  const final = finalOf(client)
  t.equal(final.slice(0, 13), `HTTP/1.1 ${line.status} `, name)
  t.equal(front.records[0]?.error, line.code, name)
  if (line.code !== undefined) t.match(final, line.code, `${name}: the client is told`)
  t.equal(client.reset, line.isCut, `${name}: reset`)
  t.notMatch(final, /evil/, name)
  if (line.limit !== undefined && line.code !== undefined) {
    t.match(final, line.limit, `${name}: names the limit`)
  }
  client.socket.destroy()
  for (const connection of origin?.connections ?? []) connection.socket.destroy()
}

function finalOf({ text }: RawSocket): string {
  return text.replaceAll('HTTP/1.1 103 Early Hints\r\n\r\n', '')
}

const lines = linesOfPage()

t.test('the page and the upstreams here are the same', (t) => {
  t.strictSame([...new Set(lines.map(({ upstream }) => upstream))], Object.keys(UPSTREAMS))
  t.end()
})

t.test('what the client gets', async (t) => {
  await Promise.all(lines.map((line) => run(t, line)))
})
