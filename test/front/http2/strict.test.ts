/** Requests that no client may send (RFC 9113), frame by frame. */
import t from 'tap'
import { until } from '../../helpers/until.ts'
import { rawOrigin, reply, targetAt } from '../http1/harness.ts'
import { dialRaw, END_HEADERS, END_STREAM, frame, hpack, pseudo, TYPE } from './frames.ts'
import { startH2, startH2To } from './harness.ts'

const PROTOCOL_ERROR = 1

/** What comes back for one malformed request: a 400 or a reset of its stream. */
const MALFORMED: Record<string, [string, string][]> = {
  connection: [...pseudo(), ['connection', 'close']],
  'keep-alive': [...pseudo(), ['keep-alive', 'x']],
  'proxy-connection': [...pseudo(), ['proxy-connection', 'keep-alive']],
  'transfer-encoding': [...pseudo(), ['transfer-encoding', 'chunked']],
  upgrade: [...pseudo(), ['upgrade', 'websocket']],
  te: [...pseudo(), ['te', 'gzip']],
  'capital name': [...pseudo(), ['X-Own', 'a']],
  'LF in the path': pseudo({ ':path': '/a\nGET /evil' }),
  'space in the path': pseudo({ ':path': '/ HTTP/1.1' }),
  'space in the method': pseudo({ ':method': 'GET /evil' }),
  'no path': pseudo().filter(([name]) => name !== ':path'),
  'empty path': pseudo({ ':path': '' }),
  'path without slash': pseudo({ ':path': 'http://b/' }),
  'asterisk of GET': pseudo({ ':path': '*' }),
  'no method': pseudo().filter(([name]) => name !== ':method'),
  'no scheme': pseudo().filter(([name]) => name !== ':scheme'),
  'other scheme': pseudo({ ':scheme': 'ftp' }),
  'no authority': pseudo().filter(([name]) => name !== ':authority'),
  'authority with a user': pseudo({ ':authority': 'u@a' }),
  'slash in the authority': pseudo({ ':authority': 'a/b' }),
  'two authorities': [...pseudo(), [':authority', 'b']],
  'host is not the authority': [...pseudo(), ['host', 'b']],
  'two hosts': [...pseudo(), ['host', 'a'], ['host', 'a']],
  'two paths': [[':path', '/a'], ...pseudo()],
  'pseudo-header after a line': [['a', 'b'], ...pseudo()],
  'unknown pseudo-header': [[':x', 'y'], ...pseudo()],
  'status in a request': [[':status', '200'], ...pseudo()],
  CONNECT: [
    [':method', 'CONNECT'],
    [':authority', 'a:443'],
  ],
  'protocol without CONNECT': pseudo({ ':protocol': 'websocket' }),
  'lengths that differ': [...pseudo(), ['content-length', '3'], ['content-length', '4']],
  'length of no digits': [...pseudo(), ['content-length', '+3']],
  'length without a body': [...pseudo(), ['content-length', '3']],
}

t.test('malformed requests reach no target', async (t) => {
  const front = await startH2(t, () => reply('reached'))
  let stream = 1
  const client = await dialRaw(t, front.h2)
  for (const [what, lines] of Object.entries(MALFORMED)) {
    const id = stream
    stream += 2
    client.request(id, lines)
    await until(`an end of: ${what}`, () =>
      client.frames.some(
        (one) => one.stream === id && (one.type === TYPE.reset || (one.flags & END_STREAM) !== 0),
      ),
    )
    const resets = client.of(TYPE.reset, id)
    if (resets.length > 0) t.equal(resets[0]!.payload.readUInt32BE(0), PROTOCOL_ERROR, what)
    else t.match(client.of(TYPE.data, id)[0]!.payload.toString(), /ARIES_E_BAD_REQUEST/, what)
  }
  t.same(front.heads, [], 'no plan was asked for')
  client.request(stream, pseudo())
  await until('the connection is as good as new', () => client.of(TYPE.data, stream).length > 0)
})

t.test('lines that no request can have are left out', async (t) => {
  const front = await startH2(t, () => reply('reached'))
  const client = await dialRaw(t, front.h2)
  client.request(1, [
    ...pseudo(),
    ['', 'a'],
    ['a:b', 'c'],
    ['x-cr', 'b\r\nevil: yes'],
    ['x-nul', 'b\0c'],
    ['x-good', 'd'],
  ])
  await until('an answer', () => client.of(TYPE.data, 1).length > 0)
  t.same(front.heads[0]!.headers, [
    ['Host', 'a'],
    ['x-good', 'd'],
  ])
})

t.test('a body that is not as long as it says is not passed on as whole', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startH2To(t, targetAt(origin.port))
  for (const [what, body] of [
    ['shorter', 'ab'],
    ['longer', 'abcd'],
  ] as const) {
    const client = await dialRaw(t, front.h2)
    const length: [string, string] = ['content-length', '3']
    client.request(1, [...pseudo({ ':method': 'POST' }), length], 0)
    client.send(frame(TYPE.data, END_STREAM, 1, Buffer.from(body)))
    await until(`an end of: ${what}`, () => client.of(TYPE.reset, 1).length > 0 || client.closed)
    await until('the exchange is over', () => front.engine.stats().exchangesActive === 0)
  }
  for (const { text } of origin.connections) {
    t.notMatch(text, /\r\n\r\n(abc|ab..)/, 'nothing that a target could take for the whole')
  }
})

t.test('frames that break the connection end it, with the reason', async (t) => {
  const front = await startH2(t, () => reply('ok'))
  const cases: Record<string, [Buffer, number]> = {
    'DATA of no stream': [frame(TYPE.data, 0, 0, Buffer.from('x')), PROTOCOL_ERROR],
    'an even stream': [frame(TYPE.headers, 5, 2, hpack(pseudo())), PROTOCOL_ERROR],
    'a frame too large': [frame(TYPE.data, 0, 1, Buffer.alloc(20_000)), 6],
    'compression that is none': [frame(TYPE.headers, 5, 1, Buffer.from([0xff, 0xff])), 9],
    'a window of nothing': [frame(TYPE.window, 0, 0, Buffer.alloc(4)), PROTOCOL_ERROR],
    'an unfinished head': [
      Buffer.concat([
        frame(TYPE.headers, END_STREAM, 1, hpack(pseudo())),
        frame(TYPE.ping, 0, 0, Buffer.alloc(8)),
      ]),
      PROTOCOL_ERROR,
    ],
  }
  for (const [what, [bytes, code]] of Object.entries(cases)) {
    const client = await dialRaw(t, front.h2)
    client.send(bytes)
    t.equal(await client.code(0), code, what)
    await until('the end', () => client.closed)
  }
  t.equal(END_HEADERS, 4)
  await until('none is open', () => front.engine.stats().connectionsOpen === 0)
})
