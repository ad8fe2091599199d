import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AdminApi, AdminEndpoint, ClusterInfo, ClusterMember } from '../../src/admin/api.ts'
import { type ErrorBody, fromBody } from '../../src/errors.ts'
import type { LoadVector } from '../../src/gossip/types.ts'
import type { MoveReport, NodeStatusInfo, WorkerDetail, WorkerInfo } from '../../src/rpc.ts'

export interface Asked {
  readonly method: string
  readonly url: string
  readonly contentType: string | undefined
  readonly body: string
}

/** What the stub answers: an endpoint's shape, an error, or a function that waits with it. */
export type Answers = {
  readonly [E in AdminEndpoint]?: AdminApi[E] | ErrorBody | (() => Promise<AdminApi[E]>)
}

export interface StubAdmin {
  readonly address: string
  readonly asked: readonly Asked[]
  close(): Promise<void>
}

/** A server that answers recorded shapes of the admin API. */
export async function stubAdmin(answers: Answers): Promise<StubAdmin> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const { method = '', url = '' } = request
    const contentType = request.headers['content-type']
    asked.push({ method, url, contentType, body: await textOf(request) })
    const endpoint = (Object.keys(answers) as AdminEndpoint[]).find((each) =>
      patternOf(each).test(`${method} ${url.split('?')[0]}`),
    )
    const found = endpoint === undefined ? undefined : answers[endpoint]
    const answer = typeof found === 'function' ? await found() : found
    const status = answer === undefined ? 404 : (fromBody(answer)?.status ?? 200)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(answer === undefined ? 'nothing' : JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request) text += part
  return text
}

function patternOf(endpoint: string): RegExp {
  return new RegExp(`^${endpoint.replace(/\{\w+\}/g, '[^/]+')}$`)
}

export const LOAD: LoadVector = {
  cpu: 0.5,
  cpuCapacity: 2,
  loop: 0,
  memoryBytes: 200_000_000,
  memoryBytesMax: 2_000_000_000,
  requests: 3,
  requestsMax: 1000,
  connections: 12,
  connectionsMax: 10_000,
  ioBytesPerSecond: 1000,
  workers: 2,
  classes: [],
  lagMs: 1,
}

function member(id: string, more: Partial<ClusterMember> = {}): ClusterMember {
  return {
    id,
    role: 'node',
    state: 'alive',
    joined: false,
    host: '127.0.0.1',
    dataPort: 7201,
    adminPort: 7301,
    cordoned: false,
    draining: false,
    incarnation: 4,
    load: LOAD,
    loadAgeMs: 120,
    workers: 2,
    speed: 1.5,
    cost: 3.1234,
    ...more,
  }
}

export const CLUSTER: ClusterInfo = {
  cluster: 'demo',
  mapEpoch: 7,
  members: [
    member('f1', {
      role: 'front',
      load: null,
      loadAgeMs: null,
      speed: null,
      cost: null,
      incarnation: 0,
    }),
    member('n1'),
    member('n2', { draining: true }),
    member('n3', { state: 'unreachable', load: null, loadAgeMs: null, speed: null, cost: null }),
  ],
  routes: [
    { path: '/hello', kind: 'task', targets: ['hello'] },
    { path: '/legacy/*', kind: 'upstreams', targets: ['http://127.0.0.1:9001'] },
  ],
  notes: ['the store cannot be reached'],
}

export const STATUS: readonly NodeStatusInfo[] = [
  {
    id: 'f1',
    role: 'front',
    version: '0.1.0',
    pid: 100,
    uptimeMs: 7_500_000,
    ready: true,
    notes: [],
    mapEpoch: 7,
    processes: [],
  },
  {
    id: 'n1',
    role: 'node',
    version: '0.1.0',
    pid: 101,
    uptimeMs: 30_000,
    ready: false,
    notes: ['draining\u001b[31m'],
    mapEpoch: 7,
    processes: [
      { role: 'pool', pid: 102, port: 40_001, generation: 1, restarts: 0 },
      { role: 'host', pid: 103, port: 40_002, generation: 1, restarts: 2 },
    ],
  },
]

function worker(key: string, more: Partial<WorkerInfo> = {}): WorkerInfo {
  return {
    class: 'counter',
    key,
    node: 'n1',
    epoch: 3,
    seq: 100,
    stateBytes: 1234,
    memoryBytes: 5_000,
    sections: 1,
    requestsPerSecond: 12.34,
    cpuShare: 0.05,
    ioBytesPerSecond: 0,
    ageMs: 65_000,
    sessions: 2,
    queued: 0,
    generation: 1,
    asleep: false,
    ...more,
  }
}

export const WORKERS: readonly WorkerInfo[] = [
  worker('a b/ä', { node: 'n2', stateBytes: 12_345_678 }),
  worker('b', { cannotMove: 'a turn has run for 3 s' }),
]

export const MOVE: MoveReport = {
  class: 'counter',
  key: 'a',
  from: 'n1',
  to: 'n3',
  fromEpoch: 4,
  toEpoch: 5,
  bytes: 1_048_576,
  sessions: 50,
  carried: 1,
  phases: [
    { name: 'prepare', ms: 1.234 },
    { name: 'copy', ms: 42 },
    { name: 'fence', ms: 0.5 },
    { name: 'commit', ms: 1.1 },
    { name: 'switch', ms: 0.25 },
  ],
  stallMs: 1.85,
  commitMs: 1.1,
}

export const DETAIL: WorkerDetail = {
  ...worker('a'),
  decision: {
    atMs: Date.now() - 61_000,
    subject: 'counter/a',
    why: 'create',
    by: 'n2',
    candidates: [
      { id: 'n1', cost: 3.2, marginal: 0.01234, loadAgeMs: 50 },
      { id: 'n2', cost: 4, marginal: 0.5, loadAgeMs: 0 },
      { id: 'n3', cost: 0, marginal: 0, loadAgeMs: 9000, excluded: 'draining' },
    ],
    chosen: 'n1',
  },
  earlier: [
    {
      atMs: Date.now() - 7_200_000,
      subject: 'counter/a',
      why: 'rebalance',
      by: 'n3',
      candidates: [
        { id: 'n3', cost: 3, marginal: 0.2, loadAgeMs: 0 },
        { id: 'n2', cost: 3, marginal: 0.1, place: 0.7321, loadAgeMs: 5 },
      ],
      chosen: 'n2',
      failure: 'node n2 has no memory',
    },
  ],
  traffic: [
    { with: 'room/x', node: 'n2', messagesPerSecond: 12.34, bytesPerSecond: 5_000 },
    { address: '10.0.0.9', messagesPerSecond: 3, bytesPerSecond: 100 },
  ],
  lastMove: MOVE,
}
