/**
 * Requests that two parsers read differently somewhere, by the classes of bugs that were found in
 * servers and proxies. Each is followed by `SMUGGLED` where a body could hide a request. Add what a
 * fuzzer finds.
 */

export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

function post(lines: readonly string[], body: string): string {
  return `POST /meant HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`
}

const CHUNKED = 'Transfer-Encoding: chunked'
const SMUGGLED_CHUNK = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`

/** Lines that make the length of a body ambiguous: refused, and nothing is forwarded. */
const REFUSED: readonly (readonly string[])[] = [
  [CHUNKED, 'Content-Length: 5'],
  ['Content-Length: 5', CHUNKED],
  ['Content-Length: 5', 'Content-Length: 0'],
  ['Content-Length: 0', 'Content-Length: 5'],
  ['Content-Length: 0, 5'],
  ['Content-Length: 5 5'],
  ['Content-Length:', 'Content-Length: 5'],
  ['Content-Length: +0'],
  ['Content-Length: -0'],
  ['Content-Length: 0x0'],
  ['Content-Length: 0e0'],
  ['Content-Length: 0;'],
  ['Content-Length : 0'],
  ['Content-Length\t: 0'],
  [' Content-Length: 0'],
  ['Content-Length: \v0'],
  ['Content-Length: 0\0'],
  ['Content-Length: 18446744073709551616'],
  ['Content-Length: 9007199254740993'],
  ['X: y\n Content-Length: 0'],
  ['X: y', ' Content-Length: 0'],
  ['X: y\rContent-Length: 0'],
  ['X: y\nContent-Length: 0'],
  ['Transfer-Encoding : chunked'],
  ['Transfer-Encoding:\vchunked'],
  ['Transfer-Encoding: \x00chunked'],
  ['Transfer-Encoding: ,chunked'],
  ['Transfer-Encoding: chunked,'],
  ['Transfer-Encoding: chunked, identity'],
  ['Transfer-Encoding: identity'],
  ['Transfer-Encoding: identity', 'Content-Length: 0'],
  ['Transfer-Encoding: identity, chunked'],
  ['Transfer-Encoding: "chunked"'],
  ['Transfer-Encoding: chunked;q=1'],
  ['Transfer-Encoding: chunked chunked'],
  ['Transfer-Encoding: xchunked'],
  ['Transfer-Encoding: chunkedx', 'Content-Length: 0'],
  ['Transfer-Encoding:', 'Content-Length: 0'],
  ['Transfer-Encoding: cow', CHUNKED],
  [CHUNKED, CHUNKED],
  ['X: y', ' Transfer-Encoding: chunked'],
  ['X: y\nTransfer-Encoding: chunked'],
  ['X: y\rTransfer-Encoding: chunked'],
  ['Transfer-Encoding:\r\n chunked'],
]

/** Lines that leave the request without a body: what follows is the next one. */
const UNFRAMED: readonly (readonly string[])[] = [
  ['Content_Length: 5'],
  ['Transfer_Encoding: chunked'],
  ['Upgrade: h2c', 'Connection: Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
]

/** Lines that change nothing about a chunked body, and about one with a length. */
const CHUNKED_ALL_THE_SAME: readonly (readonly string[])[] = [
  ['Connection: Transfer-Encoding', CHUNKED],
  ['Trailer: Content-Length', CHUNKED],
]
const LENGTH = `Content-Length: ${SMUGGLED.length}`
const LENGTH_ALL_THE_SAME: readonly (readonly string[])[] = [
  ['Connection: Content-Length', LENGTH],
  [LENGTH, 'Connection: close, content-length'],
  ['Expect: 100-continue', LENGTH],
  ['Expect: 100-Continue, x', LENGTH],
  ['Upgrade: websocket', 'Connection: Upgrade', LENGTH],
]

/** Chunked bodies whose end is ambiguous. */
const BODIES: readonly string[] = [
  `0 \r\n\r\n${SMUGGLED}`,
  `0\n\n${SMUGGLED}`,
  `0\r\n${SMUGGLED}`,
  `0\r\nX: y\n\n${SMUGGLED}`,
  `0;x\n\r\n${SMUGGLED}`,
  `0;x="\r\n"\r\n\r\n${SMUGGLED}`,
  `00000000000000000\r\n\r\n${SMUGGLED}`,
  `-0\r\n\r\n${SMUGGLED}`,
  `0x0\r\n\r\n${SMUGGLED}`,
  `3\r\nabc0\r\n\r\n${SMUGGLED}`,
  `3\r\nabc\n0\r\n\r\n${SMUGGLED}`,
  `3\r\nabcXX0\r\n\r\n${SMUGGLED}`,
  `3\nabc\r\n0\r\n\r\n${SMUGGLED}`,
  `3\r\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
  `10000000000000003\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
  `fffffffffffffffd\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
  `3;${'x'.repeat(10_000)}\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
  `0\r\nContent-Length: 100\r\nTransfer-Encoding: x\r\nHost: evil\r\n\r\n`,
  SMUGGLED_CHUNK,
  `1\r\nx\r\n${SMUGGLED_CHUNK}`,
]

const STARTS: readonly string[] = [
  'GET /meant HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'GET /meant HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n',
  'GET /meant HTTP/1.1\r\nHost : a\r\n\r\n',
  'GET http://b/meant HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET http://b@a/meant HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET //b/meant HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /meant HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /meant\rX HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /meant\0 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET\v/meant HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /meant\r\n\r\n',
  'GET /meant HTTP/1.0\r\n\r\n',
  'GET /meant HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'GET /meant HTTP/1.9\r\nHost: a\r\n\r\n',
  'GET /meant HTTP/01.1\r\nHost: a\r\n\r\n',
  'GET /meant HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n',
  'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'TRACE /meant HTTP/1.1\r\nHost: a\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\r\nGET /meant HTTP/1.1\r\nHost: a\r\n\r\n',
  '\n\nGET /meant HTTP/1.1\r\nHost: a\r\n\r\n',
  `GET /meant HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `HEAD /meant HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `GET /meant HTTP/1.1\r\nHost: a\r\n${CHUNKED}\r\n\r\n${SMUGGLED_CHUNK}`,
  `DELETE /meant HTTP/1.0\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
]

/** What a client sends over one connection. */
export interface Stream {
  readonly text: string
  /** Nothing of it may be forwarded. */
  readonly isRefused: boolean
  /** `SMUGGLED` stands where a request may. */
  readonly isPipelined: boolean
}

const END = `0\r\n\r\n${SMUGGLED}`

function streams(texts: readonly string[], is: Partial<Stream> = {}): Stream[] {
  return texts.map((text) => ({ text, isRefused: false, isPipelined: false, ...is }))
}

export const STREAMS: readonly Stream[] = [
  ...streams(STARTS),
  ...REFUSED.flatMap((lines) =>
    streams([post(lines, SMUGGLED), post(lines, END), post(lines, SMUGGLED_CHUNK)], {
      isRefused: true,
    }),
  ),
  ...UNFRAMED.flatMap((lines) => [
    ...streams([post(lines, SMUGGLED)], { isPipelined: true }),
    ...streams([post(lines, END), post(lines, SMUGGLED_CHUNK)]),
  ]),
  ...CHUNKED_ALL_THE_SAME.flatMap((lines) => [
    ...streams([post(lines, END)], { isPipelined: true }),
    ...streams([post(lines, SMUGGLED), post(lines, SMUGGLED_CHUNK)]),
  ]),
  ...LENGTH_ALL_THE_SAME.flatMap((lines) =>
    streams([post(lines, SMUGGLED), post(lines, END), post(lines, SMUGGLED_CHUNK)]),
  ),
  ...streams([post([CHUNKED], END), post([CHUNKED], END.replace('0', '0;'))], {
    isPipelined: true,
  }),
  ...streams(BODIES.map((body) => post([CHUNKED], body))),
]
