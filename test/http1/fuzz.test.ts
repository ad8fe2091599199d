import t from 'tap'
import { AriesError } from '../../src/errors.ts'
import { ChunkDecoder } from '../../src/http1/chunk-decoder.ts'
import { HeadFinder } from '../../src/http1/head-finder.ts'
import { ParsedRequest } from '../../src/http1/request-head.ts'
import { type Random, randomInt, seededRandom } from '../../src/world.ts'

const SEED = Number(process.env['ARIES_FUZZ_SEED'] ?? 1)
const ROUNDS = Number(process.env['ARIES_FUZZ_ROUNDS'] ?? 20_000)

function pick<T>(random: Random, items: readonly T[]): T {
  return items[randomInt(random, items.length)]!
}

const LINES = [
  'Host: a',
  'Host: b:80',
  'Content-Length: 5',
  'Content-Length: 05',
  'Content-Length: 5, 5',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip',
  'Connection: close',
  'Connection: x, upgrade',
  'Upgrade: websocket',
  'X: y',
  'X : y',
  ' folded',
  'Cookie: \xff',
  'Expect: 100-continue',
  'Aries-Node: x',
]
const NOISE = ['\0', '\r', '\n', '\r\n', ' ', '\t', ':', ',', '\x7f', '\xff', 'A', '0', '\r\n\r\n']

function randomHead(random: Random): string {
  const start = pick(random, [
    'GET / HTTP/1.1',
    'POST /a?b HTTP/1.1',
    'GET http://c/ HTTP/1.1',
    'GET / HTTP/1.0',
  ])
  const lines = Array.from({ length: randomInt(random, 5) }, () => pick(random, LINES))
  let head = `${[start, 'Host: a', ...lines].join('\r\n')}\r\n\r\n`
  for (let i = randomInt(random, 3); i > 0; i--) {
    const at = randomInt(random, head.length)
    head = head.slice(0, at) + pick(random, NOISE) + head.slice(at + randomInt(random, 2))
  }
  return head
}

/** Bytes up to the end of the head as the finder sees them, in random pieces. */
function findInPieces(random: Random, bytes: Buffer): number {
  const finder = new HeadFinder()
  for (let length = 0; length < bytes.length; ) {
    length = Math.min(bytes.length, length + 1 + randomInt(random, 9))
    const end = finder.find(bytes.subarray(0, length))
    if (end >= 0) return end
  }
  return -1
}

/** What was done, or the code that it threw; anything but an AriesError is a bug. */
function outcome<T>(act: () => T): T | string {
  try {
    return act()
  } catch (thrown) {
    if (!(thrown instanceof AriesError)) throw thrown
    return thrown.code
  }
}

/** A slow, literal reading of what may be forwarded: the fast one must never accept more. */
function isAcceptable(head: string): boolean {
  const lines = head.slice(0, -4).split('\r\n')
  if (!/^[!#$%&'*+.^_`|~\w-]+ [!-~]+ HTTP\/1\.[01]$/.test(lines[0]!)) return false
  const fields = lines
    .slice(1)
    .map((line) => /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/s.exec(line))
  if (fields.some((field) => field === null || !/^[\t\x20-\x7e\x80-\xff]*$/.test(field[0])))
    return false
  const all = (name: string): string[] =>
    fields.filter((field) => field![1]!.toLowerCase() === name).map((field) => field![2]!)
  const lengths = all('content-length')
  const codings = all('transfer-encoding')
  if (lengths.length > 1 || codings.length > 1 || (lengths.length > 0 && codings.length > 0))
    return false
  if (lengths.some((value) => !/^\d+$/.test(value))) return false
  if (codings.some((value) => value.toLowerCase() !== 'chunked')) return false
  return all('host').length <= 1 && (all('host').length === 1 || lines[0]!.endsWith('1.0'))
}

t.test(`heads, seed ${SEED}`, (t) => {
  const random = seededRandom(SEED)
  let accepted = 0
  for (let round = 0; round < ROUNDS; round++) {
    const head = randomHead(random)
    const bytes = Buffer.from(head, 'latin1')
    const whole = outcome(() => new HeadFinder().find(bytes))
    const inPieces = outcome(() => findInPieces(random, bytes))
    if (whole !== inPieces)
      t.fail(`seed ${SEED}, round ${round}: pieces matter`, { head, whole, inPieces })
    if (typeof whole === 'string' || whole < 0) continue
    const text = head.slice(0, whole)
    const parsed = outcome(() => new ParsedRequest(text))
    if (typeof parsed === 'string') continue
    accepted++
    if (!isAcceptable(text)) t.fail(`seed ${SEED}, round ${round}: accepted`, { text })
  }
  t.ok(accepted > ROUNDS / 20, `${accepted} heads were good`)
  t.end()
})

interface Decoded {
  data: string
  trailers: string
  rest: string
}

/** A slow, literal reading of RFC 9112 §7.1; undefined when the body is bad or has no end. */
function referenceDecode(text: string): Decoded | undefined {
  let data = ''
  for (;;) {
    const line = /^([0-9A-Fa-f]{1,13})(;[\t\x20-\x7e\x80-\xff]*)?\r\n/.exec(text)
    if (line === null) return undefined
    text = text.slice(line[0].length)
    const size = Number.parseInt(line[1]!, 16)
    if (size === 0) break
    if (text.length < size + 2 || text.slice(size, size + 2) !== '\r\n') return undefined
    data += text.slice(0, size)
    text = text.slice(size + 2)
  }
  const end = /^((?:[!#$%&'*+.^_`|~\w-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n/.exec(text)
  return end === null ? undefined : { data, trailers: end[1]!, rest: text.slice(end[0].length) }
}

function randomChunks(random: Random): string {
  let body = ''
  for (let i = randomInt(random, 4); i > 0; i--) {
    const size = 1 + randomInt(random, 40)
    body += `${size.toString(16)}${pick(random, ['', '', ';a=b', ';"\xff"'])}\r\n${'x'.repeat(size)}\r\n`
  }
  body += `0\r\n${pick(random, ['', '', 'Sum: 1\r\n', 'X: y\r\nZ: \r\n'])}\r\n`
  if (randomInt(random, 2) === 0) body += 'GET / HTTP'
  for (let i = randomInt(random, 3); i > 0; i--) {
    const at = randomInt(random, body.length)
    body = body.slice(0, at) + pick(random, NOISE) + body.slice(at + randomInt(random, 2))
  }
  return body
}

function decodeInPieces(random: Random, bytes: Buffer): Decoded | undefined {
  const decoder = new ChunkDecoder()
  const decoded: Decoded = { data: '', trailers: '', rest: '' }
  let length = 0
  while (length < bytes.length && !decoder.ended) {
    const piece = bytes.subarray(length, length + 1 + randomInt(random, 9))
    const took = decoder.decode(piece, 0, (data) => {
      decoded.data += data.toString('latin1')
    })
    if (took < piece.length && !decoder.ended) throw new Error('it left bytes')
    length += took
  }
  if (!decoder.ended) return undefined
  return { ...decoded, trailers: decoder.trailers, rest: bytes.toString('latin1', length) }
}

t.test(`chunks, seed ${SEED}`, (t) => {
  const random = seededRandom(SEED)
  let accepted = 0
  for (let round = 0; round < ROUNDS; round++) {
    const body = randomChunks(random)
    const decoded = outcome(() => decodeInPieces(random, Buffer.from(body, 'latin1')))
    const wanted = referenceDecode(body)
    const good = typeof decoded === 'object'
    if (good) accepted++
    const where = `seed ${SEED}, round ${round}`
    if (good !== (wanted !== undefined))
      t.fail(`${where}: ${good ? 'accepted' : 'refused'}`, { body, decoded, wanted })
    else if (good && (decoded.data !== wanted!.data || decoded.rest !== wanted!.rest)) {
      t.fail(`${where}: other data`, { body, decoded, wanted })
    }
  }
  t.ok(accepted > ROUNDS / 20, `${accepted} bodies were good`)
  t.end()
})
