/**
 * Headers between front, pool and host. Every one begins with `aries-`; the front removes what a
 * client sends under that prefix, so that nobody outside can claim to be inside.
 */
export const HEADER = {
  /** To a host: `class/key` (see `formatWorkerId`). */
  worker: 'aries-worker',
  /** To a host: the epoch that the front believes in; a newer one at the host is fine. */
  epoch: 'aries-epoch',
  /** To a host: name of the method that is called; the body holds its arguments (`Outgoing`). */
  call: 'aries-call',
  /** To a host: the workers that wait for this call, outermost first (see `formatChain`). */
  chain: 'aries-chain',
  /** To a pool: name of the task. */
  task: 'aries-task',
  /** To pool, host and data port when the configuration has a key. */
  auth: 'aries-auth',
  /** To the client: the node that answered. To a host: the node of the worker or task that calls. */
  node: 'aries-node',
  /** To the front: `node;host:port;epoch` of the owner, when it is not who was asked. */
  owner: 'aries-owner',
  /** To the front: an error code; 421 with `ARIES_E_NOT_OWNER` was not applied and may be sent again. */
  fault: 'aries-fault',
  /** To the front, from pools and from any upstream that likes: see `parseLoad`. */
  load: 'aries-load',
} as const

/** Methods of requests that may be sent again without harm (RFC 9110, 9.2.2). */
export const SAFE_TO_REPEAT: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
])

/** Fields that belong to one connection and are not handed on (RFC 9110, 7.6.1). */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Whether a header concerns one connection or the inside of Aries: user code neither sees it in a
 * request (it may be the cluster's token) nor sets it in a response (a front would obey it).
 * `name` in small letters.
 */
export function isInnerHeader(name: string): boolean {
  return HOP_BY_HOP.has(name) || name.startsWith('aries-')
}

/** Where a host process listens. */
export interface HostAddress {
  readonly node: string
  readonly host: string
  readonly port: number
}

/** Where a worker lives: what a front needs to reach it. */
export interface OwnerAddress extends HostAddress {
  readonly epoch: number
}

export function formatOwner(owner: OwnerAddress): string {
  return `${owner.node};${owner.host}:${owner.port};${owner.epoch}`
}

export function parseOwner(text: string): OwnerAddress | undefined {
  const match = /^([a-z][a-z0-9-]*);(.+):(\d{1,5});(\d{1,15})$/.exec(text)
  if (!match) return undefined
  return { node: match[1]!, host: match[2]!, port: Number(match[3]), epoch: Number(match[4]) }
}

/** What a target says of itself on an answer. */
export interface ToldLoad {
  /** Requests there as it answered, this one not counted. */
  readonly requests: number
  /** How many it serves at a time; more wait. */
  readonly threads: number
}

/** `requests/threads`, e.g. `3/4`. */
export function formatLoad({ requests, threads }: ToldLoad): string {
  return `${requests}/${threads}`
}

/** Undefined when the text is not a load. */
export function parseLoad(text: string): ToldLoad | undefined {
  const match = /^(\d{1,6})\/([1-9]\d{0,3})$/.exec(text)
  return match === null ? undefined : { requests: Number(match[1]), threads: Number(match[2]) }
}

/** Content type of a worker's checkpoint. */
export const CHECKPOINT_TYPE = 'application/x-aries-checkpoint'
