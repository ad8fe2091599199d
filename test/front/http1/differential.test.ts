/**
 * Node's own parser behind the engine, strict and lenient: what the origin understood must be what
 * the engine meant, or the engine refused. Streams of the corpus and damaged ones.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { randomInt, seededRandom } from '../../../src/world.ts'
import { SMUGGLED, STREAMS } from '../../fuzz/http1-corpus.ts'
import { until } from '../../helpers/until.ts'
import { dial, type Front, startFrontTo, targetAt } from './harness.ts'

const SEED = Number(process.env['ARIES_FUZZ_SEED'] ?? 1)
const ROUNDS = Number(process.env['ARIES_FUZZ_ROUNDS'] ?? 400)
const NEXT = 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n'
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '0',
  '1',
  'a',
  '\xff',
  '\r\n\r\n',
]
/** At the same time: each has a front of its own, for what is compared is kept by front. */
const LANES = 8

/** A request as the origin or the engine understood it. */
interface Understood {
  readonly method: string
  readonly target: string
  bodyBytes: number
  whole: boolean
}

class Pair {
  readonly seen: Understood[] = []
  readonly #front: Front

  private constructor(front: Front, seen: Understood[]) {
    this.#front = front
    this.seen = seen
  }

  static async start(t: Test, insecureHTTPParser: boolean): Promise<Pair> {
    const seen: Understood[] = []
    const server = createServer({ insecureHTTPParser }, (request, response) => {
      const { method = '', url: target = '' } = request
      const one: Understood = { method, target, bodyBytes: 0, whole: false }
      seen.push(one)
      request.on('data', (chunk: Buffer) => {
        one.bodyBytes += chunk.length
      })
      request.on('end', () => {
        one.whole = true
        response.end('ok')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    return new Pair(await startFrontTo(t, targetAt(port)), seen)
  }

  /** Sends `stream` and another request over one connection; both must be understood alike. */
  async check(t: Test, stream: string, name: string): Promise<void> {
    const { heads, records, engine } = this.#front
    heads.length = 0
    records.length = 0
    this.seen.length = 0
    const client = await dial(t, this.#front.port)
    client.socket.end(stream + NEXT, 'latin1')
    await until(`${name}: closed`, () => client.closed)
    await until(`${name}: over`, () => engine.stats().connectionsOpen === 0)
    const show = { stream, seen: this.seen, heads: heads.map(({ target }) => target) }
    // What the engine answered itself has not been seen; what was seen has been meant, in order.
    const meant = heads.map(({ method, target }) => `${method} ${target}`)
    const understood = this.seen.map(({ method, target }) => `${method} ${target}`)
    let at = -1
    for (const one of understood) {
      at = meant.indexOf(one, at + 1)
      if (at < 0) t.fail(`${name}: the origin saw ${one}, which was not meant`, show)
    }
    for (const [i, { bodyBytes, whole }] of this.seen.entries()) {
      const record = records.filter(({ targetId }) => targetId !== '')[i]
      if (!whole || record === undefined || record.status < 200) continue
      if (record.bytesIn !== bodyBytes) t.fail(`${name}: a body of another length`, show)
    }
    const answers = client.text.split(/HTTP\/1\.1 [2-5]\d\d /).length - 1
    if (answers > heads.length + 1)
      t.fail(`${name}: ${answers} answers`, { ...show, text: client.text })
  }

  /** Whether the last stream had a hidden request understood as one. */
  get smuggled(): boolean {
    return this.seen.some(({ target }) => target === '/smuggled')
  }
}

async function inLanes(
  t: Test,
  isLenient: boolean,
  streams: readonly string[],
  check: (pair: Pair, stream: string, i: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    const pair = await Pair.start(t, isLenient)
    while (next < streams.length && t.passing()) {
      const i = next++
      await check(pair, streams[i]!, i)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

for (const isLenient of [false, true]) {
  t.test(`the corpus, before ${isLenient ? 'a lenient' : 'a strict'} origin`, async (t) => {
    const texts = STREAMS.map(({ text }) => text)
    await inLanes(t, isLenient, texts, async (pair, text, i) => {
      await pair.check(t, text, `stream ${i}`)
      const { isRefused, isPipelined } = STREAMS[i]!
      if (isRefused && pair.seen.length > 0) t.fail(`stream ${i}: forwarded`, { text })
      if (pair.smuggled && !isPipelined) t.fail(`stream ${i}: smuggled`, { text, seen: pair.seen })
    })
    t.pass(`${texts.length} streams`)
  })
}

t.test(`damaged streams, seed ${SEED}`, async (t) => {
  const random = seededRandom(SEED)
  const streams = Array.from({ length: ROUNDS }, () => {
    let stream = STREAMS[randomInt(random, STREAMS.length)]!.text
    for (let hits = 1 + randomInt(random, 3); hits > 0; hits--) {
      const at = randomInt(random, Math.min(stream.length, 200))
      const piece = PIECES[randomInt(random, PIECES.length)]!
      stream = stream.slice(0, at) + piece + stream.slice(at + randomInt(random, 2))
    }
    return randomInt(random, 4) === 0 ? stream + SMUGGLED : stream
  })
  await inLanes(t, true, streams, (pair, stream, i) =>
    pair.check(t, stream, `seed ${SEED}, round ${i}`),
  )
  t.pass(`${ROUNDS} streams`)
})
