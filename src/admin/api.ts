/**
 * The admin API as data and types: what the server answers, what the CLI asks for, and what
 * `docs/reference/http-api.md` is generated from. A request that changes something must carry
 * `content-type: application/json`, so that no web page can send one across origins unasked.
 */

import type { ErrorCode } from '../errors.ts'
import type { RequestDetail } from '../front/request-detail.ts'
import type { UpstreamInfo } from '../front/upstream-states.ts'
import type { LoadVector, MemberRole, MemberState } from '../gossip/types.ts'
import type { JobInfo } from '../jobs/job.ts'
import type { KeysInfo } from '../key-ring.ts'
import type {
  DeployReport,
  DrainReport,
  MoveReport,
  NodeStatusInfo,
  RecoverReport,
  WorkerDetail,
  WorkerInfo,
} from '../rpc.ts'

/** One member as the asked process sees it. */
export interface ClusterMember {
  readonly id: string
  readonly role: MemberRole
  readonly state: MemberState
  /** It is not in the map: it has joined by itself, and has no vote. */
  readonly joined: boolean
  readonly host: string
  /** 0 for a front. */
  readonly dataPort: number
  readonly adminPort: number
  readonly cordoned: boolean
  readonly draining: boolean
  /** From the store; 0 for a front and before it is registered. */
  readonly incarnation: number
  /** Null before anything was heard of its load. */
  readonly load: LoadVector | null
  readonly loadAgeMs: number | null
  readonly workers: number
  /** Of one of its cores, given or measured; null for a front, and before anything was heard. */
  readonly speed: number | null
  /** Cost of the machine now (DESIGN: the one currency); null without a load, and for a front. */
  readonly cost: number | null
}

/** A route as `aries status` and `aries dev` show it. */
export interface RouteInfo {
  readonly path: string
  readonly kind: 'task' | 'worker' | 'upstreams' | 'redirect' | 'respond'
  /** Name of the task or class, or the addresses of the upstreams. */
  readonly targets: readonly string[]
}

export interface ClusterInfo {
  readonly cluster: string
  readonly mapEpoch: number
  readonly members: readonly ClusterMember[]
  readonly routes: readonly RouteInfo[]
  /** What is wrong and an operator should know: a refused configuration, a lost store. */
  readonly notes: readonly string[]
}

export interface HealthInfo {
  readonly status: 'ok'
}

export interface ReadyInfo {
  readonly ready: boolean
  /** Why not. */
  readonly notes: readonly string[]
}

/** Endpoint → what a 2xx answers; anything else answers an `ErrorBody`. */
export interface AdminApi {
  'GET /healthz': HealthInfo
  'GET /readyz': ReadyInfo
  'GET /metrics': string
  'GET /api/cluster': ClusterInfo
  'GET /api/status': readonly NodeStatusInfo[]
  'GET /api/workers': readonly WorkerInfo[]
  'GET /api/workers/{class}/{key}': WorkerDetail
  'POST /api/workers/{class}/{key}/move': MoveReport
  'POST /api/workers/{class}/{key}/freeze': Record<string, never>
  'POST /api/workers/{class}/{key}/thaw': Record<string, never>
  'GET /api/workers/{class}/{key}/checkpoint': Uint8Array
  'POST /api/workers/{class}/{key}/recover': RecoverReport
  'GET /api/keys': KeysInfo
  'POST /api/keys': KeysInfo
  'GET /api/jobs': readonly JobInfo[]
  'POST /api/jobs': JobInfo
  'GET /api/jobs/{id}': JobInfo
  'POST /api/jobs/{id}/kill': JobInfo
  'GET /api/jobs/{id}/output': Uint8Array
  'POST /api/jobs/{id}/input': Record<string, never>
  'GET /api/upstreams': readonly UpstreamInfo[]
  'GET /api/requests': readonly RequestDetail[]
  'POST /api/upstreams/drain': UpstreamInfo
  'POST /api/upstreams/undrain': UpstreamInfo
  'POST /api/nodes/{id}/drain': DrainReport
  'POST /api/nodes/{id}/deploy': DeployReport
  'POST /api/nodes/{id}/restart': Record<string, never>
  'POST /api/fronts/{id}/restart': FrontRestart
  'POST /api/nodes/{id}/undrain': Record<string, never>
  'POST /api/nodes/{id}/cordon': Record<string, never>
}

export type AdminEndpoint = keyof AdminApi

/** The process that has taken the place of a front. */
export interface FrontRestart {
  readonly pid: number
}

/** Body of `POST /api/workers/{class}/{key}/move`. */
export interface MoveBody {
  readonly to: string
}

/** Body of `POST /api/upstreams/drain` and `undrain`. */
export interface UpstreamBody {
  readonly url: string
  /** How long clients that are bound to it may stay, milliseconds. */
  readonly boundMs?: number
}

/** Body of `POST /api/keys`. */
export interface KeysBody {
  /** By `sealOrder`. */
  readonly sealed: string
}

/** Body of `POST /api/jobs/{id}/kill`. */
export interface KillBody {
  /** As `SIGINT`; absent: SIGTERM, and SIGKILL for who has not ended after `jobs.graceMs`. */
  readonly signal?: string
}

/** Body of `POST /api/nodes/{id}/deploy`. */
export interface DeployBody {
  /** Number of the new code, at least; absent: one more than the node's. */
  readonly generation?: number
}

export interface AdminEndpointInfo {
  /** One sentence. */
  readonly does: string
  /** What a 2xx answers, in words; its TypeScript type stands beside it. */
  readonly answers: string
  readonly type: string
  /** What may stand after the `?`, in words; absent: nothing. */
  readonly query?: string
  /** The JSON body that it takes; absent: none. */
  readonly body?: string
  readonly errors: readonly ErrorCode[]
}

const onWorker: readonly ErrorCode[] = [
  'ARIES_E_BAD_REQUEST',
  'ARIES_E_CLASS_UNKNOWN',
  'ARIES_E_WORKER_UNKNOWN',
  'ARIES_E_NODE_UNREACHABLE',
]
const onNode: readonly ErrorCode[] = [
  'ARIES_E_BAD_REQUEST',
  'ARIES_E_NODE_UNKNOWN',
  'ARIES_E_NODE_UNREACHABLE',
]

const onJob: readonly ErrorCode[] = [
  'ARIES_E_BAD_REQUEST',
  'ARIES_E_UNAUTHORIZED',
  'ARIES_E_JOB_UNKNOWN',
  'ARIES_E_STORE',
  'ARIES_E_NODE_UNREACHABLE',
]

export const ADMIN_ENDPOINTS: Readonly<Record<AdminEndpoint, AdminEndpointInfo>> = {
  'GET /healthz': {
    does: 'Is the process alive? Depends on nothing but itself.',
    answers: 'Always 200 while its event loop turns.',
    type: 'HealthInfo',
    errors: [],
  },
  'GET /readyz': {
    does: 'Can it do its work: configuration loaded, store reached, processes up, not draining?',
    answers: '200 when it is ready, 503 with the same shape and the reasons when it is not.',
    type: 'ReadyInfo',
    errors: [],
  },
  'GET /metrics': {
    does: 'Metrics of this process in the text format of Prometheus.',
    answers: 'Text, not JSON.',
    type: 'string',
    errors: [],
  },
  'GET /api/cluster': {
    does: 'Members, their loads and costs as the asked process sees them; routes; notes.',
    answers: 'Every member of the map and every other one it has heard of.',
    type: 'ClusterInfo',
    errors: [],
  },
  'GET /api/status': {
    does: 'Every reachable member tells of its processes, readiness and notes.',
    answers: 'One entry per member that answered.',
    type: 'NodeStatusInfo[]',
    errors: [],
  },
  'GET /api/workers': {
    does: 'The open workers of every reachable node, or the first of them.',
    query:
      '`limit`: how many, 1,000 by default, up to 10,000. `order`: `load`, what uses most first (default), `name`, or by a figure, the largest first: `cpu`, `state`, `requests`, `io`, `queue`, `sessions`, `age`. `contains`: only those whose `class/key` has it, in whatever case. `after=<class>/<key>`: by name, from the one after this.',
    answers: 'In that order. How many there are altogether stands in `/api/cluster`.',
    type: 'WorkerInfo[]',
    errors: ['ARIES_E_BAD_REQUEST'],
  },
  'GET /api/workers/{class}/{key}': {
    does: 'One worker with its last move and the last decision about its place.',
    answers: '`{key}` is percent-encoded.',
    type: 'WorkerDetail',
    errors: onWorker,
  },
  'POST /api/workers/{class}/{key}/move': {
    does: 'Moves a worker live; answers when it is done.',
    answers: 'From, to, epochs, bytes, phases with their times, stall.',
    type: 'MoveReport',
    body: '{"to":"n3"}',
    errors: [...onWorker, 'ARIES_E_NODE_UNKNOWN', 'ARIES_E_MOVE_REFUSED', 'ARIES_E_MOVE_ABORTED'],
  },
  'POST /api/workers/{class}/{key}/freeze': {
    does: 'Has a worker take no requests until it is thawed; its alarm and messages of clients wait.',
    answers: 'An empty object, when it is committed.',
    type: '{}',
    errors: onWorker,
  },
  'POST /api/workers/{class}/{key}/thaw': {
    does: 'Takes a frozen worker back into use.',
    answers: 'An empty object, when it is committed.',
    type: '{}',
    errors: onWorker,
  },
  'GET /api/workers/{class}/{key}/checkpoint': {
    does: 'The state of a worker as of its last committed turn, while it goes on.',
    answers: 'A file, not JSON; its digest is at its end.',
    type: 'Uint8Array',
    errors: ['ARIES_E_BAD_REQUEST', 'ARIES_E_WORKER_UNKNOWN', 'ARIES_E_NODE_UNREACHABLE'],
  },
  'POST /api/workers/{class}/{key}/recover': {
    does: 'Gives a worker the state of a checkpoint, under a new epoch; `?replace=true` over another state.',
    answers: 'What it has now.',
    type: 'RecoverReport',
    body: 'the file, as `application/x-aries-checkpoint`',
    errors: [
      'ARIES_E_BAD_REQUEST',
      'ARIES_E_CLASS_UNKNOWN',
      'ARIES_E_CLASS_OLDER',
      'ARIES_E_CHECKPOINT',
      'ARIES_E_WORKER_EXISTS',
      'ARIES_E_FENCED',
      'ARIES_E_NODE_UNREACHABLE',
    ],
  },
  'GET /api/keys': {
    does: 'Which keys the asked process has, by id, and how many gossip packets came with each.',
    answers: 'The first id is that of the key which seals; all are accepted.',
    type: 'KeysInfo',
    errors: [],
  },
  'POST /api/keys': {
    does: 'Has the asked process install, use or remove a key, in its key file, for `aries keys`.',
    answers: 'Its keys, when it is in force in all of its processes.',
    type: 'KeysInfo',
    body: '{"sealed":"…"}: an order, encrypted with a key of the cluster',
    errors: ['ARIES_E_BAD_REQUEST', 'ARIES_E_UNAUTHORIZED', 'ARIES_E_KEYS', 'ARIES_E_TIMEOUT'],
  },
  'GET /api/jobs': {
    does: 'The jobs that are queued or run.',
    query:
      '`all=true`: after them those that have ended, the newest first. `limit`: how many, up to 10,000.',
    answers: 'Where each is, since when, and how it ended.',
    type: 'JobInfo[]',
    errors: ['ARIES_E_BAD_REQUEST', 'ARIES_E_UNAUTHORIZED', 'ARIES_E_STORE'],
  },
  'POST /api/jobs': {
    does: 'Takes a job and starts it where it costs least; queues it when no node has room.',
    answers: 'The job, running or queued.',
    type: 'JobInfo',
    body: '{"module":"primes.ts","args":["1000"]}',
    errors: [
      'ARIES_E_BAD_REQUEST',
      'ARIES_E_UNAUTHORIZED',
      'ARIES_E_JOB_REFUSED',
      'ARIES_E_OVERLOADED',
      'ARIES_E_STORE',
      'ARIES_E_NODE_UNREACHABLE',
    ],
  },
  'GET /api/jobs/{id}': {
    does: 'One job.',
    answers: 'Where it is, since when, and how it ended.',
    type: 'JobInfo',
    errors: onJob,
  },
  'POST /api/jobs/{id}/kill': {
    does: 'Ends a job: SIGTERM to all its processes, SIGKILL after `jobs.graceMs`; or sends a signal.',
    answers: 'The job as it was before; one that had ended stays as it is.',
    type: 'JobInfo',
    body: '{"signal":"SIGINT"}',
    errors: onJob,
  },
  'GET /api/jobs/{id}/output': {
    does: 'What a job printed, as far as it is kept.',
    query:
      '`from`: where to begin, bytes of frames (0 by default). `follow=true`: until the job ends.',
    answers:
      'Frames, not JSON: one byte (1 stdout, 2 stderr, 0 a gap), four bytes of length (big-endian), the text. A gap holds in eight bytes how many bytes of frames are no longer kept.',
    type: 'Uint8Array',
    errors: [...onJob, 'ARIES_E_NO_TARGET', 'ARIES_E_OVERLOADED'],
  },
  'POST /api/jobs/{id}/input': {
    does: 'Standard input of a running job that was begun with `"input":true`; its end ends it.',
    answers: 'An empty object, when the job has taken all, or takes no more.',
    type: '{}',
    body: 'bytes, as `application/octet-stream`',
    errors: onJob,
  },
  'GET /api/upstreams': {
    does: 'The upstreams of the asked front: which are out and why, which drain, what is in flight.',
    answers: 'In the order of the configuration. Only fronts have any.',
    type: 'UpstreamInfo[]',
    errors: ['ARIES_E_BAD_REQUEST'],
  },
  'GET /api/requests': {
    does: 'Requests that the asked front wrote down (`front.explain`): route, candidates with their costs, attempts, times.',
    query: '`id`: only the request with that id, or those of the trace with that id.',
    answers: 'The newest first, at most a second old. Only fronts have any.',
    type: 'RequestDetail[]',
    errors: ['ARIES_E_BAD_REQUEST'],
  },
  'POST /api/upstreams/drain': {
    does: 'Sends no new clients to an upstream; those who are bound to it stay for a time.',
    answers: 'How it is now; the asked front alone, until it ends or takes it back.',
    type: 'UpstreamInfo',
    body: '{"url":"http://10.0.0.1:8080","boundMs":600000}',
    errors: ['ARIES_E_BAD_REQUEST', 'ARIES_E_UPSTREAM_UNKNOWN'],
  },
  'POST /api/upstreams/undrain': {
    does: 'Takes a drained upstream back into use.',
    answers: 'How it is now.',
    type: 'UpstreamInfo',
    body: '{"url":"http://10.0.0.1:8080"}',
    errors: ['ARIES_E_BAD_REQUEST', 'ARIES_E_UPSTREAM_UNKNOWN'],
  },
  'POST /api/nodes/{id}/drain': {
    does: 'Moves every worker off a node and places nothing new there; answers when it is done.',
    answers: 'How many moved, which could not and why.',
    type: 'DrainReport',
    errors: onNode,
  },
  'POST /api/nodes/{id}/deploy': {
    does: 'Runs the code of workers and tasks as it is on disk now, in new processes; answers when it is done.',
    answers: 'How many workers moved into the new process; why it stopped, if it did.',
    type: 'DeployReport',
    body: '{"generation":2}',
    errors: onNode,
  },
  'POST /api/nodes/{id}/restart': {
    does: 'Has a node move its workers off, end in order and start anew; answers at once.',
    answers: 'An empty object. It is back when `/api/cluster` shows a higher incarnation of it.',
    type: '{}',
    errors: onNode,
  },
  'POST /api/fronts/{id}/restart': {
    does: 'Has a new process take the place of this front, with its listening sockets; answers when that serves. Only at the admin port of that front.',
    answers: 'The id of the new process, which has the admin port as well a moment later.',
    type: 'FrontRestart',
    errors: ['ARIES_E_BAD_REQUEST', 'ARIES_E_NOT_REPLACED'],
  },
  'POST /api/nodes/{id}/undrain': {
    does: 'Takes a drained or cordoned node back into use.',
    answers: 'An empty object.',
    type: '{}',
    errors: onNode,
  },
  'POST /api/nodes/{id}/cordon': {
    does: 'Places nothing new on a node; what lives there stays.',
    answers: 'An empty object.',
    type: '{}',
    errors: onNode,
  },
}
