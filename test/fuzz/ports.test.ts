/** The ports of a running node: whatever comes in, it answers as documented and goes on. */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import t from 'tap'
import type { ErrorBody } from '../../src/errors.ts'
import { encodeMessage } from '../../src/move/codec.ts'
import type { ProcessInfo } from '../../src/rpc.ts'
import { encodeFrame } from '../../src/session-frames.ts'
import { seededRandom } from '../../src/world.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { damaged } from './fuzz.ts'

const ROUNDS = 150
const CALLS = ['resolve', 'activate', 'workers', 'recall', 'move', 'freeze', 'forget', 'berth']
const random = seededRandom(3)
const id = { class: 'counter', key: 'a' }
const BODIES = [
  id,
  { ...id, suspect: ['n1'], decision: { to: 'n1' }, handOver: true },
  { ...id, to: 'n1', freeze: true, epoch: 1 },
  { order: 'load', limit: 5, after: id },
].map((body) => Buffer.from(JSON.stringify(body)))

const cluster = await TestCluster.start({ nodes: 1 })
t.teardown(() => cluster.stop())
const admin = cluster.adminUrl('n1')

async function processes(): Promise<readonly ProcessInfo[]> {
  const status = await cluster.get('/api/status')
  return status.flatMap((member) => member.processes)
}

const before = await processes()
const host = before.find(({ role }) => role === 'host')!

/** Every refusal is one of the documented errors, and none says that something broke. */
async function ask(url: string, body: Buffer): Promise<string | undefined> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })
  const answer = (await response.json()) as Partial<ErrorBody>
  const code = answer.error?.code
  const fine = response.ok || (code !== undefined && code !== 'ARIES_E_INTERNAL')
  return fine ? undefined : `${url} ${body}`
}

t.test('calls on the data port', async (t) => {
  const wrong: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const call = CALLS[round % CALLS.length]!
    const body = damaged(random, BODIES)
    const said = await ask(`http://127.0.0.1:${cluster.dataPort('n1')}/rpc/${call}`, body)
    if (said) wrong.push(said)
  }
  t.same(wrong, [])
})

t.test('questions for owners on the data port', async (t) => {
  const url = `http://127.0.0.1:${cluster.dataPort('n1')}/owners`
  const questions = [id, { class: 'none', key: 'b', suspect: { node: 'n9', epoch: 1 } }]
  const bodies = [Buffer.from(JSON.stringify({ questions }))]
  const wrong: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const body = new Uint8Array(damaged(random, bodies))
    const answer = await (await fetch(url, { method: 'POST', body })).text()
    if (answer.includes('ARIES_E_INTERNAL')) wrong.push(`${Buffer.from(body)}: ${answer}`)
  }
  t.same(wrong, [])
})

t.test('calls on the admin port', async (t) => {
  const wrong: string[] = []
  const paths = ['workers/counter/a/move', 'workers/counter/a/freeze', 'workers/%00/a/thaw']
  for (let round = 0; round < ROUNDS; round++) {
    const said = await ask(`${admin}/api/${paths[round % paths.length]}`, damaged(random, BODIES))
    if (said) wrong.push(said)
  }
  t.same(wrong, [])
})

/** Says `bytes` to the host, then nothing more; gives what it answered when it has hung up. */
function request(bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(host.port, '127.0.0.1', () => socket.end(bytes))
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(answer))
  })
}

t.test('heads and framings on the port of the host', async (t) => {
  const head = 'POST /counter/a?b HTTP/1.1\r\nHost: a\r\naries-worker: counter/a\r\n'
  const requests = [
    `${head}aries-epoch: 1\r\nIdempotency-Key: "x"\r\nContent-Length: 5\r\n\r\n[1,2]`,
    `${head}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\n[1,2]\r\n0\r\nx: y\r\n\r\n`,
    `${head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n1`,
    `${head}aries-call: add\r\naries-chain: a/b,c/d\r\naries-node: n9\r\n\r\n${head}\r\n`,
    'GET http://b/x HTTP/1.0\r\nConnection: keep-alive, x\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: aries-move\r\n\r\nabc',
  ].map((text) => Buffer.from(text, 'latin1'))
  const wrong: string[] = []
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const bytes = damaged(random, requests)
    const answer = await request(bytes)
    const fine = answer === '' || /^HTTP\/1\.1 [1-5]\d\d /.test(answer)
    if (!fine || answer.includes('ARIES_E_INTERNAL')) wrong.push(bytes.toString('latin1'))
  }
  t.same(wrong, [])
})

/** Upgrades a connection to `protocol`, says `bytes`, and waits until the other side is through. */
function link(protocol: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(host.port, '127.0.0.1')
    const head = `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
    socket.write(head)
    socket.once('data', () => {
      socket.end(bytes)
      socket.resume()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve()
      else reject(error)
    })
    socket.once('close', () => resolve())
  })
}

t.test('links to the host', async () => {
  const worker = 'counter/a'
  const sid = 'f9-0-1-1'
  const frames = [
    { type: 'hello', front: 'f9', shard: 0, boot: 1 } as const,
    { type: 'open', sid, worker: 'room/a', url: '/room/a', headers: [] } as const,
    { type: 'attach', sid, worker, seen: 3 } as const,
    { type: 'message', sid, n: 1, data: 'x' } as const,
    { type: 'ack', sid, n: 1 } as const,
    { type: 'close', sid, code: 1_000, reason: '' } as const,
  ].map(encodeFrame)
  const set = [{ name: 'value', value: Uint8Array.of(1) }]
  const check = { version: 1, count: 1, digest: 5 }
  const words = [
    { type: 'prepare', worker, from: 'n9', epoch: 3, stateBytes: 900, version: 1 },
    { type: 'sections', seq: 3, set },
    { type: 'fence', seq: 3, ...check, whole: set, sessions: [{}] },
    { type: 'follow', stream: 1, worker, from: 'n9', epoch: 3, stateBytes: 9 },
    { type: 'sections', stream: 1, seq: 3, set },
    { type: 'copied', stream: 1, seq: 3, committed: 3, ...check },
  ].map((message) => Buffer.concat(encodeMessage(message)))
  for (const [protocol, spoken] of [
    ['aries-session', frames],
    ['aries-move', words.slice(0, 3)],
    ['aries-standby', words.slice(3)],
  ] as const) {
    for (let round = 0; round < ROUNDS / 3; round++) {
      const right = round % 2 === 0 ? [spoken[0]!] : []
      await link(protocol, Buffer.concat([...right, damaged(random, spoken)]))
    }
  }
})

t.test('gossip, and afterwards everything is as before', async (t) => {
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const port = cluster.gossipPort('n1')
  for (let i = 0; i < ROUNDS; i++) socket.send(damaged(random, BODIES), port, '127.0.0.1')
  const framed = BODIES.map((body) => Buffer.concat([Buffer.of(0, body.length), body]))
  for (let i = 0; i < ROUNDS / 5; i++) {
    await new Promise<void>((resolve) => {
      const stream = connect(port, '127.0.0.1', () => stream.end(damaged(random, framed)))
      stream.on('error', () => undefined).resume()
      stream.once('close', () => resolve())
    })
  }
  const pids = (all: readonly ProcessInfo[]): number[] => all.map(({ pid }) => pid)
  t.same(pids(await processes()), pids(before), 'no process was replaced')
  await until('it is ready', async () => (await fetch(`${admin}/readyz`)).status === 200)
  const counted = await fetch(`${cluster.url}/counter/after`, { method: 'POST' })
  t.match(await counted.json(), { value: 1 })
  t.equal(/unhandled|uncaught|"level":60|FATAL/.exec(cluster.logs(500))?.[0], undefined)
})
