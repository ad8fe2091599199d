/** Everything that reads bytes of the network, one decoder after the other. */
import t from 'tap'
import { parseChain } from '../../src/calls/chain.ts'
import { AriesError, errorBody } from '../../src/errors.ts'
import { FrameBatch } from '../../src/frame-batch.ts'
import { ParsedResponse } from '../../src/front/http1/response-head.ts'
import { Envelope } from '../../src/gossip/envelope.ts'
import { figuresOf } from '../../src/gossip/load-row.ts'
import { decodePacket, PacketWriter } from '../../src/gossip/packet.ts'
import { ChunkDecoder } from '../../src/http1/chunk-decoder.ts'
import { HeadFinder } from '../../src/http1/head-finder.ts'
import { ParsedRequest } from '../../src/http1/request-head.ts'
import { isWorkerName, parseWorkerId } from '../../src/identity.ts'
import { encodeOutput, gapFrame, OutputDecoder, STREAM } from '../../src/jobs/output-frames.ts'
import { encodeMessage, MessageDecoder, type WireMessage } from '../../src/move/codec.ts'
import { FROM_STANDBY, TO_SOURCE, TO_STANDBY, TO_TARGET } from '../../src/move/shapes.ts'
import { isMsgpack } from '../../src/msgpack-check.ts'
import { AnswerDecoder, answerLine, questionsIn } from '../../src/owner-questions.ts'
import { parseJsonObject } from '../../src/read-body.ts'
import { encodeFrame, type Frame, FrameDecoder } from '../../src/session-frames.ts'
import { checkShape } from '../../src/shapes.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../src/store/checkpoint.ts'
import { formatOwner, parseOwner } from '../../src/wire.ts'
import { claim, LOAD } from '../gossip/helpers.ts'
import { fuzz } from './fuzz.ts'

const OWNER = { node: 'n1', host: '127.0.0.1', port: 4_711, epoch: 3 }
const SECTIONS = [
  { name: 'value', value: Uint8Array.of(1, 2, 3) },
  { name: 'empty', value: new Uint8Array(0) },
]

/** What a head may be refused with. */
const REFUSALS = new Set(['ARIES_E_BAD_REQUEST', 'ARIES_E_URI_TOO_LONG', 'ARIES_E_HEAD_TOO_LARGE'])

/** Nothing else may be thrown. */
function only(code: string, act: () => unknown): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof AriesError) || error.code !== code) throw error
  }
}

/** A link: whatever a decoder throws ends it, so a plain error is what is documented. */
function endsLink(act: () => unknown): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) {
      throw error
    }
  }
}

const writer = new PacketWriter(1_300)

function packets(): Buffer[] {
  const meta = { ...claim('n1').meta, hostPorts: [1, 2, 3], incarnation: 7 }
  writer.begin(
    { probe: { type: 'ask', seq: 5, target: 'n3' }, sync: { type: 'ask', digest: [0] } },
    1_300,
  )
  writer.claim(claim('n1', { meta }))
  writer.claim(claim('n2', { state: 'suspect', accusers: ['n1', 'f1'] }))
  const ports = { gossipPort: 1, dataPort: 2, adminPort: 3 }
  writer.claim(claim('x1', { place: { id: 'x1', role: 'node', host: '10.0.0.9', ...ports } }))
  writer.load({ id: 'n2', boot: 9, seq: 300, ageMs: 40, urgency: 3, load: LOAD })
  const full = writer.finish()
  const capacity = { cpu: 4, memoryBytes: 1e9, requests: 100, connections: 1_000 }
  writer.begin({}, 1_300)
  writer.claim(claim('n1', { meta: { ...meta, capacity } }))
  const figures = figuresOf(LOAD, capacity)
  writer.rows([0, 1, 999].map((index) => ({ index, boot: 9, seq: 5, ageMs: 40, figures })))
  const rows = writer.finish()
  writer.begin({ answer: { type: 'ack', seq: 6 } }, 1_300)
  return [full, rows, writer.finish(64)]
}

t.test('gossip: packets', async (t) => {
  await fuzz(t, { name: 'packet', valid: packets(), decode: (bytes) => decodePacket(bytes, 'n9') })
})

t.test('gossip: datagrams', async (t) => {
  for (const keys of [['a cluster key', 'another'], []]) {
    const map = { mapEpoch: 300, mapHash: '0123456789abcdef' }
    const init = { cluster: 'test', keys, boot: 100, map }
    const from = new Envelope({ ...init, selfId: 'n1' })
    const to = new Envelope({ ...init, selfId: 'n2' })
    const valid = packets().map((packet) => from.seal('n2', 100, packet))
    let opened = 0
    const decode = (bytes: Buffer): void => {
      if (to.open(bytes, 'n1') && !valid.some((one) => one.equals(bytes))) opened++
    }
    await fuzz(t, { name: 'datagram', valid, decode })
    t.equal(opened, 0, 'nothing damaged is opened')
  }
})

t.test('sessions: frames', async (t) => {
  const sid = 'f1-0-1-1'
  const worker = 'room/a'
  const frames: Frame[] = [
    { type: 'hello', front: 'f1', shard: 0, boot: 1_700_000_000_000 },
    { type: 'open', sid, worker, url: '/room/a?x=1', headers: [['host', 'a']] },
    {
      type: 'open',
      sid,
      worker,
      url: '',
      headers: [],
      tcp: { remoteAddress: '::1', localPort: 80 },
    },
    { type: 'attach', sid, worker, seen: 70_000 },
    { type: 'accept', sid, protocol: 'chat' },
    { type: 'refuse', sid, status: 404, reason: 'gone', owner: OWNER },
    { type: 'message', sid, n: 1, data: 'hello' },
    { type: 'message', sid, n: 2, data: Uint8Array.of(1, 2, 3) },
    { type: 'close', sid, code: 1_000, reason: '' },
    { type: 'moved', sids: [sid, 'f1-0-1-2'], worker, owner: OWNER },
  ]
  const batch = new FrameBatch(() => undefined)
  for (const frame of frames) batch.add(frame)
  batch.acknowledge(sid, 2)
  const together = batch.take()!
  t.equal(new FrameDecoder().push(together).length, frames.length + 1)
  await fuzz(t, {
    name: 'frame',
    valid: [...frames.map(encodeFrame), together],
    decode: (bytes) =>
      endsLink(() => {
        const decoder = new FrameDecoder()
        const half = bytes.length >> 1
        decoder.push(bytes.subarray(0, half))
        decoder.push(bytes.subarray(half))
      }),
  })
})

t.test('moves and standbys: messages', async (t) => {
  const check = { version: 1, count: 2, digest: 77 }
  const worker = 'counter/a'
  const spoken: readonly (readonly [typeof TO_TARGET, readonly WireMessage[]])[] = [
    [
      TO_TARGET,
      [
        { type: 'prepare', worker, from: 'n1', epoch: 3, stateBytes: 900, version: 1 } as never,
        { type: 'sections', seq: 3, set: SECTIONS } as never,
        { type: 'changes', seq: 4, set: SECTIONS, remove: ['old'] } as never,
        { type: 'probe', n: 1 } as never,
        { type: 'fence', seq: 4, ...check, whole: SECTIONS, sessions: [{ id: 'a' }] } as never,
        { type: 'abort', why: 'x' } as never,
      ],
    ],
    [
      TO_SOURCE,
      [
        { type: 'prepared' },
        { type: 'refused', why: 'full', code: 'ARIES_E_OVERLOADED' } as never,
        { type: 'applied', n: 2 } as never,
        { type: 'committed', epoch: 4, commitMs: 1.5 } as never,
        { type: 'failed', why: 'x' } as never,
      ],
    ],
    [
      TO_STANDBY,
      [
        { type: 'follow', stream: 1, worker, from: 'n1', epoch: 3, stateBytes: 900 } as never,
        { type: 'sections', stream: 1, seq: 3, set: SECTIONS } as never,
        {
          type: 'changes',
          stream: 1,
          seq: 4,
          committed: 3,
          set: SECTIONS,
          remove: [],
          ...check,
        } as never,
        { type: 'copied', stream: 1, seq: 4, committed: 4, ...check } as never,
        { type: 'unfollow', stream: 1 } as never,
      ],
    ],
    [
      FROM_STANDBY,
      [
        { type: 'following', stream: 1 } as never,
        { type: 'unfollowed', stream: 1, why: 'x' } as never,
      ],
    ],
  ]
  for (const [shapes, messages] of spoken) {
    const read = (bytes: Buffer): number => {
      const heard = new MessageDecoder().push(bytes)
      for (const message of heard) checkShape(message, shapes)
      return heard.length
    }
    const valid = messages.map((message) => Buffer.concat(encodeMessage(message)))
    t.equal(read(Buffer.concat(valid)), messages.length, 'what is right is taken')
    await fuzz(t, { name: 'message', valid, decode: (bytes) => endsLink(() => read(bytes)) })
  }
})

t.test('output of jobs', async (t) => {
  const valid = [
    encodeOutput(STREAM.out, Buffer.from('one')),
    encodeOutput(STREAM.err, Buffer.alloc(300, 'x')),
    gapFrame(5_000),
  ]
  const read = (bytes: Buffer): number => new OutputDecoder().push(bytes).length
  t.equal(read(Buffer.concat(valid)), valid.length, 'what is right is taken')
  await fuzz(t, { name: 'output', valid, decode: (bytes) => endsLink(() => read(bytes)) })
})

t.test('MessagePack that claims more than it has', async (t) => {
  const nested = Buffer.concat([Buffer.alloc(100, 0x91), Buffer.of(1)])
  t.equal(isMsgpack(nested, 100), true)
  t.equal(isMsgpack(nested, 99), false)
  for (const hex of [
    'dd01ffffff',
    'df01ffffff',
    'dc000101',
    'c6ffffffff',
    'a5',
    'c1',
    '0101',
    '',
  ]) {
    t.equal(isMsgpack(Buffer.from(hex, 'hex'), 9), hex === 'dc000101', hex)
  }
})

t.test('names, owners, chains and bodies', async (t) => {
  const json = Buffer.from(JSON.stringify({ class: 'counter', key: 'a', suspect: ['n1', null] }))
  await fuzz(t, {
    name: 'words',
    valid: [
      Buffer.from(formatOwner(OWNER)),
      Buffer.from('counter/a%20b'),
      Buffer.from('counter/a,room/b'),
      json,
    ],
    decode: (bytes) => {
      const text = bytes.toString('utf8')
      only('ARIES_E_BAD_REQUEST', () => parseJsonObject(text))
      only('ARIES_E_BAD_REQUEST', () => parseWorkerId(text))
      isWorkerName(text)
      parseChain(text)
      const owner = parseOwner(text)
      if (owner && !(owner.port >= 0 && Number.isSafeInteger(owner.epoch))) throw new Error(text)
    },
  })
})

t.test('checkpoints', async (t) => {
  const loaded = { epoch: 3, seq: 9, version: 1, sections: SECTIONS }
  const pieces = encodeCheckpoint(
    { class: 'counter', key: 'a' },
    loaded as never,
    '2026-01-01T00:00:00.000Z',
  )
  const file = Buffer.concat([...pieces])
  t.same(decodeCheckpoint(file).sections.length, 2)
  await fuzz(t, {
    name: 'checkpoint',
    valid: [file],
    decode: (bytes) => only('ARIES_E_CHECKPOINT', () => decodeCheckpoint(bytes)),
  })
})

t.test('HTTP/1: heads and chunks', async (t) => {
  const heads = [
    'GET /a?b=c HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x\r\nAccept: */*\r\n\r\n',
    'POST http://a:80/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=5\r\naries-owner: n1;a:1;2\r\n\r\n',
  ].map((text) => Buffer.from(text, 'latin1'))
  await fuzz(t, {
    name: 'head',
    valid: heads,
    decode: (bytes) => {
      only('ARIES_E_BAD_REQUEST', () => new HeadFinder().find(bytes))
      const text = bytes.toString('latin1')
      const request = (): unknown => new ParsedRequest(text)
      for (const parse of [request, () => new ParsedResponse(text)]) {
        try {
          parse()
        } catch (error) {
          if (!(error instanceof AriesError) || !REFUSALS.has(error.code)) throw error
        }
      }
    },
  })
  await fuzz(t, {
    name: 'chunks',
    valid: [Buffer.from('5\r\nhello\r\na;x=y\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n', 'latin1')],
    decode: (bytes) =>
      only('ARIES_E_BAD_REQUEST', () => {
        const decoder = new ChunkDecoder()
        let taken = 0
        const at = decoder.decode(bytes, 0, (piece) => {
          taken += piece.length
        })
        if (at > bytes.length || taken > bytes.length) throw new Error('more than there was')
      }),
  })
})

t.test('questions for owners, and their answers', async (t) => {
  const questions = [
    { class: 'counter', key: 'a' },
    { class: 'counter', key: 'b', suspect: { node: 'n1', epoch: 2 } },
  ]
  await fuzz(t, {
    name: 'questions',
    valid: [Buffer.from(JSON.stringify({ questions }))],
    decode: (bytes) =>
      only('ARIES_E_BAD_REQUEST', () => questionsIn(parseJsonObject(bytes.toString()))),
  })
  const lines = answerLine(1, OWNER) + answerLine(0, errorBody('ARIES_E_NO_TARGET', 'full'))
  await fuzz(t, {
    name: 'answers',
    valid: [Buffer.from(lines)],
    decode: (bytes) =>
      endsLink(() => {
        const decoder = new AnswerDecoder(questions.length)
        const half = bytes.length >> 1
        decoder.push(bytes.subarray(0, half))
        decoder.push(bytes.subarray(half))
      }),
  })
})
