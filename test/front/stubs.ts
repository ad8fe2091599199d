/** The far side of a front, the wire alone: members, data ports, pools, hosts, upstreams. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { pino } from 'pino'
import { mapSchema } from '../../src/config/schema/map.ts'
import { type Config, configSchema } from '../../src/config/schema.ts'
import { type ErrorCode, errorBody } from '../../src/errors.ts'
import { ClientRequest } from '../../src/front/http1/client-request.ts'
import type { UpstreamAddress, UpstreamItem } from '../../src/front/routes.ts'
import type {
  LoadVector,
  Member,
  MemberChange,
  MemberMeta,
  Membership,
} from '../../src/gossip/types.ts'
import { answerLine, type OwnerQuestion, questionsIn } from '../../src/owner-questions.ts'
import { encodeFrame, type Frame, FrameDecoder } from '../../src/session-frames.ts'
import type { OwnerAddress } from '../../src/wire.ts'

export const log = pino({ level: 'silent' })

export interface Teardown {
  teardown(fn: () => unknown): void
}

/** A configuration with what a test says, valid, at ports of the system's choice. */
export function testConfig(parts: Record<string, unknown>): Config {
  const file = configSchema.parse({
    listeners: [{ http: '127.0.0.1:0' }],
    log: { level: 'silent' },
    ...parts,
    front: { shards: 1, drainTimeoutMs: 500, ...(parts['front'] as object | undefined) },
    // A check that is slow because other tests slow the machine down is no failed one.
    health: { timeoutMs: 10_000, ...(parts['health'] as object | undefined) },
  })
  const map = mapSchema.parse({
    cluster: 'test',
    epoch: 1,
    nodes: [{ id: 'n1', host: '127.0.0.1', gossip: 1, data: 2, admin: 3 }],
  })
  const { key, keyFile: _keyFile, ...settings } = file
  return {
    ...settings,
    keys: [key].flat().filter((each) => each !== ''),
    keyFile: undefined,
    file: '/aries.yaml',
    mapFile: '/m',
    map,
    tasks: new Map(),
    classes: new Map(),
  }
}

/** An entry of a route's upstreams that says nothing but one URL. */
export function itemOf(
  address: UpstreamAddress,
  parts: Partial<Omit<UpstreamItem, 'upstreams'>> = {},
): UpstreamItem {
  return { upstreams: [address], weight: undefined, priority: 0, drain: false, ...parts }
}

/** A GET of `target` as the engine has parsed it. */
export function requestHead(
  target: string,
  lines: readonly string[] = [],
  peer = '127.0.0.1',
): ClientRequest {
  const head = [`GET ${target} HTTP/1.1`, 'Host: x', ...lines, '', '']
  return new ClientRequest(head.join('\r\n'), peer, 'http')
}

export const IDLE: LoadVector = {
  cpu: 0,
  cpuCapacity: 1,
  loop: 0,
  memoryBytes: 0,
  memoryBytesMax: 1e9,
  requests: 0,
  requestsMax: 1_000,
  connections: 0,
  connectionsMax: 1_000,
  ioBytesPerSecond: 0,
  workers: 0,
  classes: [],
  lagMs: 0,
}

const META: MemberMeta = {
  incarnation: 1,
  poolPort: 0,
  hostPorts: [],
  cordoned: false,
  draining: false,
}

export function node(id: string, parts: Partial<Member> = {}, meta: Partial<MemberMeta> = {}) {
  const member: Member = {
    id,
    role: 'node',
    host: '127.0.0.1',
    gossipPort: 1,
    dataPort: 0,
    adminPort: 1,
    state: 'alive',
    boot: 1,
    version: 1,
    load: IDLE,
    loadAgeMs: 0,
    ...parts,
    meta: { ...META, ...meta },
  }
  return member
}

export class StubMembership implements Membership {
  readonly selfId = 'f1'
  readonly refused: string[] = []
  started = false
  #members: Member[]
  readonly #listeners = new Set<(change: MemberChange) => void>()

  constructor(members: Member[] = []) {
    this.#members = members
  }

  set(member: Member): void {
    const before = this.member(member.id)?.state
    this.#members = [...this.#members.filter(({ id }) => id !== member.id), member]
    for (const listener of this.#listeners) listener({ member, before })
  }

  async start(): Promise<void> {
    this.started = true
  }

  async leave(): Promise<void> {
    this.started = false
  }

  async stop(): Promise<void> {
    this.started = false
  }

  members(): readonly Member[] {
    return this.#members
  }

  member(id: string): Member | undefined {
    return this.#members.find((member) => member.id === id)
  }

  onChange(listener: (change: MemberChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setLoad(): void {}
  setMeta(): void {}

  reportRefused(id: string): void {
    this.refused.push(id)
  }
}

export interface StubServer {
  readonly server: Server
  readonly port: number
  /** Cuts everything, as a killed process does. */
  kill(): Promise<void>
}

export async function serve(
  t: Teardown,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  port = 0,
): Promise<StubServer> {
  const server = createServer(handle)
  const sockets = new Set<Duplex>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  const kill = async (): Promise<void> => {
    const closed = new Promise((done) => server.close(done))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.teardown(kill)
  return { server, port: (server.address() as AddressInfo).port, kill }
}

/** The data port of a node: answers each question with what `answer` returns or throws. */
export function serveData(
  t: Teardown,
  answer: (question: OwnerQuestion) => OwnerAddress | ErrorCode | Promise<OwnerAddress | ErrorCode>,
): Promise<StubServer> {
  return serve(t, async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    response.writeHead(200)
    response.flushHeaders()
    const answers = questionsIn(JSON.parse(text) as object).map(async (question, n) => {
      const result = await answer(question)
      const failed = typeof result === 'string'
      response.write(answerLine(n, failed ? errorBody(result, 'stub') : result))
    })
    await Promise.all(answers)
    response.end()
  })
}

/** A host for sessions: keeps the frames it got, sends what the test wants. */
export class StubHost {
  readonly node: string
  readonly port: number
  readonly frames: Frame[] = []
  readonly kill: () => Promise<void>
  onFrame: (frame: Frame) => void = () => {}
  #socket: Duplex | undefined

  static async open(
    t: Teardown,
    name: string,
    handle: (request: IncomingMessage, response: ServerResponse) => void = () => {},
  ): Promise<StubHost> {
    return new StubHost(name, await serve(t, handle))
  }

  constructor(name: string, stub: StubServer) {
    this.node = name
    this.port = stub.port
    this.kill = stub.kill
    stub.server.on('upgrade', (_request, socket: Duplex) => {
      socket.write('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: aries-session\r\n\r\n')
      socket.on('error', () => {})
      this.#socket = socket
      const decoder = new FrameDecoder()
      socket.on('data', (chunk: Buffer) => {
        for (const frame of decoder.push(chunk)) {
          this.frames.push(frame)
          this.onFrame(frame)
        }
      })
    })
  }

  owner(epoch: number): OwnerAddress {
    return { node: this.node, host: '127.0.0.1', port: this.port, epoch }
  }

  send(frame: Frame): void {
    this.#socket!.write(encodeFrame(frame))
  }

  cutLink(): void {
    this.#socket!.destroy()
  }

  of<T extends Frame['type']>(type: T): Extract<Frame, { type: T }>[] {
    return this.frames.filter((frame) => frame.type === type) as Extract<Frame, { type: T }>[]
  }
}
