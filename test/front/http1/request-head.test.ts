import t from 'tap'
import { ask, dial, rawOrigin, startFrontTo, targetAt } from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** What is ambiguous or not HTTP, and the status that it gets. */
const REFUSED: readonly (readonly [string, string, number])[] = [
  [
    'CL and TE',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'TE and CL',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'two CL',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    400,
  ],
  [
    'two equal CL',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
    400,
  ],
  ['CL list', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc', 400],
  ['empty CL', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n', 400],
  ['CL with plus', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc', 400],
  ['CL with minus', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc', 400],
  ['CL hex', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc', 400],
  [
    'CL too long',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n',
    400,
  ],
  ['CL with a tail', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 a\r\n\r\nabc', 400],
  ['TE gzip', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', 400],
  [
    'TE gzip, chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'TE ,chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'TE chunked, chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'two TE',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'TE xchunked',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'TE chunked with VT',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'TE in HTTP/1.0',
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['space before colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n', 400],
  ['tab before colon', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 3\r\n\r\nabc', 400],
  ['obs-fold', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n', 400],
  ['obs-fold with tab', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n', 400],
  ['space before the first header', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400],
  ['line without colon', 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n', 400],
  ['empty name', 'GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n', 400],
  ['bad byte in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX(y): z\r\n\r\n', 400],
  ['obs-text in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\xe9: z\r\n\r\n', 400],
  ['NUL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n', 400],
  ['NUL in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n', 400],
  ['CTL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\x07z\r\n\r\n', 400],
  ['DEL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\x7fz\r\n\r\n', 400],
  ['bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n', 400],
  ['bare CR as line end', 'GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n', 400],
  ['CR CR LF', 'GET / HTTP/1.1\r\nHost: a\r\r\n\r\n', 400],
  ['bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 400],
  ['bare LF after a header', 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n', 400],
  ['bare LF at the end', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 400],
  ['LF only', 'GET / HTTP/1.1\nHost: a\n\n', 400],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two Host', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400],
  ['two Host in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  ['empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['Host with user', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
  ['Host list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
  ['Host with space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['Host with bad port', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', 400],
  ['bad Host beside absolute-form', 'GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n', 400],
  ['no Host beside absolute-form', 'GET http://a/ HTTP/1.1\r\n\r\n', 400],
  ['absolute-form without host', 'GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['absolute-form with user', 'GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['other scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['relative target', 'GET foo HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['asterisk with GET', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['two spaces', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['tab as separator', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['obs-text in the target', 'GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['NUL in the target', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['no target', 'GET HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 400],
  ['bad method', 'GE(T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['empty method', ' / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['long method', `${'A'.repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 400],
  ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['http in small letters', 'GET / http/1.1\r\nHost: a\r\n\r\n', 400],
  ['space after the version', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 400],
  ['version with a tail', 'GET / HTTP/1.1x\r\nHost: a\r\n\r\n', 400],
  ['two empty lines first', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['Connection that is no token list', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n', 400],
  ['TRACE with a body', 'TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na', 400],
  ['long target', `GET /${'a'.repeat(8_192)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ['endless target', `GET /${'a'.repeat(12_000)}`, 414],
  ['large head', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
  ['endless head', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40_000)}`, 431],
  ['too many headers', `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(100)}\r\n`, 431],
  ['body too large', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n', 413],
]

t.test('what is ambiguous is refused, closed and never forwarded', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFrontTo(t, targetAt(origin.port))
  for (const [name, request, status] of REFUSED) {
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
    const complete = status === 400 || status === 413
    const answer = await ask(t, front.port, complete ? request + smuggled : request)
    t.equal(answer.slice(0, 13), `HTTP/1.1 ${status} `, name)
    t.match(answer, /\r\nConnection: close\r\n/, name)
    t.equal(answer.split(/HTTP\/1\.1 \d/).length, 2, `${name}: one answer`)
    t.match(answer, /\{"error":\{"code":"ARIES_E_/, name)
  }
  t.equal(origin.connections.length, 0, 'nothing reached the target')
})

const FORWARDED_LINES =
  'X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nVia: 1.1 aries\r\n'

/** What is forwarded, byte for byte. */
const EDITED: readonly (readonly [string, string, string])[] = [
  [
    'passes other lines as they are',
    'GET /a?b=%20{} HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nCookie: \xe9\r\n\r\n',
    `GET /a?b=%20{} HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nCookie: \xe9\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'removes what ends at this hop',
    'GET / HTTP/1.1\r\nKeep-Alive: 5\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nTE: trailers\r\nProxy-Connection: close\r\nProxy-Authorization: x\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\nX-End: 2\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'removes what only insiders may say',
    'GET / HTTP/1.1\r\nHost: a\r\nAries-Worker: c/k\r\nARIES-AUTH: x\r\naries-: y\r\nX: z\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\nX: z\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'removes what CGI would take for another line',
    'GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\ntransfer_encoding: chunked\r\nX_Forwarded-For: 1.2.3.4\r\nAries_Auth: x\r\nX_Y: z\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\nX_Y: z\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'replaces what the client claims about itself',
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-proto: https\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-Port: 1\r\nVia: 1.0 x\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 x\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'reduces absolute-form and takes its host',
    'GET http://a/x?y HTTP/1.1\r\nHost: b\r\nX: 1\r\n\r\n',
    `GET /x?y HTTP/1.1\r\nHost: a\r\nX: 1\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'absolute-form with a query only',
    'GET HTTP://a?y HTTP/1.1\r\nHost: a\r\n\r\n',
    `GET /?y HTTP/1.1\r\nHost: a\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'OPTIONS of an absolute-form without a path',
    'OPTIONS http://a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 7\r\n\r\n',
    `OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 6\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'drops Connection: close and keeps its own connection',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'writes the length anew',
    'POST / HTTP/1.1\r\nContent-Length: 003\r\nHost: a\r\n\r\nabc',
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n${FORWARDED_LINES}\r\nabc`,
  ],
  [
    'a Connection line cannot remove Host or the length',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: host, content-length\r\n\r\nabc',
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n${FORWARDED_LINES}\r\nabc`,
  ],
  [
    'one empty line first is let pass',
    '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'HTTP/1.0 becomes 1.1',
    'GET / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\n${FORWARDED_LINES.replace('1.1 aries', '1.0 aries')}\r\n`,
  ],
  [
    'never asks for h2c',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\n${FORWARDED_LINES}\r\n`,
  ],
  [
    'an Upgrade that Connection does not name ends here',
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\n${FORWARDED_LINES}\r\n`,
  ],
]

t.test('heads are edited by bytes', async (t) => {
  for (const [name, request, wanted] of EDITED) {
    const origin = await rawOrigin(t, (connection) => connection.write(OK))
    const front = await startFrontTo(t, targetAt(origin.port))
    const client = await dial(t, front.port)
    client.write(request)
    await client.has('\r\n\r\nok')
    t.equal(origin.connections[0]?.text, wanted, name)
  }
})

t.test('a head is the same wherever the packets split it', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    if (connection.text.endsWith('\r\n\r\n')) connection.write(OK)
  })
  const front = await startFrontTo(t, targetAt(origin.port))
  const request = 'GET /split?x HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n'
  const client = await dial(t, front.port)
  for (let at = 1; at < request.length; at++) {
    client.text = ''
    client.write(request.slice(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    client.write(request.slice(at))
    await client.has('\r\n\r\nok')
  }
  client.text = ''
  await client.drip(request)
  await client.has('\r\n\r\nok')
  t.equal(front.heads.length, request.length)
  t.ok(front.heads.every((head) => head.target === '/split?x' && head.header('x-y') === 'z'))
})

t.test('the head that the planner sees', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.write('GET http://b/p?q HTTP/1.1\r\nHost: a\r\nX-Many: 1\r\nx-many: 2\r\n\r\n')
  await client.has('ok')
  const head = front.heads[0]!
  t.match(head, { method: 'GET', target: '/p?q', path: '/p', minorVersion: 1 })
  t.equal(head.remoteAddress, '127.0.0.1')
  t.equal(head.header('host'), 'b')
  t.equal(head.header('x-many'), '1')
  t.equal(head.header('x-none'), undefined)
  t.equal(head.upgrade, undefined)
  t.same(head.headers, [
    ['Host', 'a'],
    ['X-Many', '1'],
    ['x-many', '2'],
  ])
})

t.test('Max-Forwards: 0 is answered here', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.write('OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n')
  await client.has('HTTP/1.1 204 ')
  client.write('TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n')
  await client.has('HTTP/1.1 405 ')
  t.equal(origin.connections.length, 0)
})
