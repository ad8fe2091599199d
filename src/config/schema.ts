/**
 * The shape of `config/aries.yaml` and `config/cluster.yaml`: one source for types, validation,
 * `config/*.schema.json` and `docs/reference/config.md`. Every limit is finite by default.
 */
import { z } from 'zod'

const id = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,31}$/,
    'an id is a small letter, then up to 31 small letters, digits or -',
  )
const port = z.int().min(1).max(65_535)
const ms = z.int().min(1).max(86_400_000)
const host = z.string().min(1).max(253)

export const nodeEntrySchema = z.strictObject({
  id: id.describe('Name of the node; the same for ever, it owns workers under it.'),
  host: host.describe('Address that the other members reach it at.'),
  gossip: port.describe('UDP port of gossip.'),
  data: port.describe('TCP port of node-to-node and front-to-node calls.'),
  admin: port.describe('TCP port of the admin API.'),
  speed: z
    .number()
    .min(0.01)
    .max(100)
    .default(1)
    .describe('Speed of one of its cores relative to the others; multiplies its CPU capacity.'),
})

export const frontEntrySchema = z.strictObject({
  id: id.describe('Name of the front.'),
  host: host.describe('Address that the other members reach it at.'),
  gossip: port.describe('UDP port of gossip.'),
  admin: port.describe('TCP port of the admin API.'),
})

export const mapSchema = z
  .strictObject({
    cluster: id.describe('Name of the cluster; members of another cluster are not heard.'),
    epoch: z.int().min(1).describe('Version of the map; raise it with every change.'),
    nodes: z.array(nodeEntrySchema).min(1).max(1_000).describe('The declared nodes.'),
    fronts: z.array(frontEntrySchema).max(100).default([]).describe('The declared fronts.'),
  })
  .describe('The map: the declared membership of the cluster.')

const listenerSchema = z.union([
  z.strictObject({ http: z.string().describe('host:port to take HTTP/1.1 and WebSocket at.') }),
  z.strictObject({
    tcp: z.string().describe('host:port to take raw TCP at.'),
    upstreams: z.array(z.string()).min(1).describe('tcp://host:port of the servers behind it.'),
  }),
])

const routeBase = {
  path: z
    .string()
    .startsWith('/')
    .describe('Pattern: `:name` takes one segment, a last `*` the rest.'),
}

const routeSchema = z.union([
  z.strictObject({
    ...routeBase,
    task: z.string().describe('Module of a task, relative to this file.'),
  }),
  z.strictObject({
    ...routeBase,
    worker: z
      .string()
      .describe('Module of a worker class, relative to this file; the path has `:key`.'),
  }),
  z.strictObject({
    ...routeBase,
    upstreams: z.array(z.string()).min(1).describe('http://host:port of the servers behind it.'),
    forwarder: z
      .enum(['aries', 'http-proxy'])
      .default('aries')
      .describe('`aries`: the own engine. `http-proxy`: the compatible one, slower.'),
  }),
])

export const configSchema = z
  .strictObject({
    map: z.string().default('./cluster.yaml').describe('The map, relative to this file.'),
    key: z
      .string()
      .default('')
      .describe('Cluster key: authenticates gossip and calls between members. Empty: none.'),
    store: z
      .string()
      .default('sqlite:../data/aries.db')
      .describe('`sqlite:<file>`, relative to this file, or `postgres://user:password@host/db`.'),
    listeners: z.array(listenerSchema).min(1).describe('Where the fronts take clients.'),
    routes: z
      .array(routeSchema)
      .min(1)
      .describe('Tried in order; the first that matches is taken.'),
    gossip: z
      .strictObject({
        preset: z.enum(['lan', 'wan', 'quick']).default('quick').describe('Set of gossip times.'),
      })
      .prefault({}),
    front: z
      .strictObject({
        shards: z
          .int()
          .min(1)
          .max(64)
          .optional()
          .describe('Event loops; default half of the cores.'),
        headBytesMax: z.int().min(1_024).max(1_048_576).default(32_768),
        bodyBytesMax: z.int().min(0).default(104_857_600).describe('Largest request body.'),
        replayBytesMax: z
          .int()
          .min(0)
          .default(65_536)
          .describe('Largest request body that is kept to send it again to another target.'),
        connectionsMax: z.int().min(1).default(20_000).describe('Client connections per shard.'),
        waitingMax: z
          .int()
          .min(1)
          .default(10_000)
          .describe('Requests per shard that may wait for an owner.'),
        headTimeoutMs: ms.default(15_000).describe('From the first byte of a head to its end.'),
        idleTimeoutMs: ms.default(75_000).describe('A client connection without a request.'),
        bodyIdleTimeoutMs: ms.default(30_000).describe('Between two pieces of a body.'),
        connectTimeoutMs: ms.default(1_000).describe('Opening a connection to a target.'),
        responseTimeoutMs: ms
          .default(60_000)
          .describe('From the request sent to the response head.'),
        ownerTimeoutMs: ms
          .default(10_000)
          .describe('How long a request waits for its worker to have an owner.'),
        tunnelIdleTimeoutMs: ms
          .default(3_600_000)
          .describe('An upgraded connection without bytes.'),
        drainTimeoutMs: ms.default(3_000).describe('Requests in flight at shutdown.'),
      })
      .prefault({}),
    health: z
      .strictObject({
        path: z
          .string()
          .startsWith('/')
          .default('/')
          .describe('Asked of each upstream; any status below 500 is well.'),
        intervalMs: ms.default(1_000),
        timeoutMs: ms.default(500),
        rise: z.int().min(1).default(1),
        fall: z.int().min(1).default(2),
      })
      .prefault({}),
    pool: z
      .strictObject({
        threads: z.int().min(1).max(256).optional().describe('Threads; default one per core.'),
        taskTimeoutMs: ms.default(10_000).describe('Longest run of a task.'),
        taskMemoryMb: z.int().min(16).max(65_536).default(256).describe('Heap of one task thread.'),
        queueMax: z.int().min(1).default(1_000).describe('Tasks that may wait for a thread.'),
        bodyBytesMax: z
          .int()
          .min(0)
          .default(10_485_760)
          .describe('Largest request or response body of a task.'),
      })
      .prefault({}),
    host: z
      .strictObject({
        requestTimeoutMs: ms.default(30_000).describe('Longest turn of a worker.'),
        queueMax: z.int().min(1).default(1_000).describe('Events that may wait in one mailbox.'),
        bodyBytesMax: z
          .int()
          .min(0)
          .default(10_485_760)
          .describe('Largest request body of a worker.'),
        messageBytesMax: z.int().min(1).default(1_048_576).describe('Largest WebSocket message.'),
        memoryMb: z.int().min(64).default(2_048).describe('Heap of the host process.'),
        leaseMs: ms.default(5_000).describe('How long a node that lost the store serves reads.'),
      })
      .prefault({}),
    move: z
      .strictObject({
        fenceTimeoutMs: ms
          .default(500)
          .describe('From the closed mailbox to the commit; then the move is given up.'),
        copyTimeoutMs: ms.default(60_000).describe('Longest COPY phase.'),
        turnBudgetMs: ms.default(2_000).describe('How long the fence waits for the running turn.'),
        concurrency: z
          .int()
          .min(1)
          .max(64)
          .default(8)
          .describe('Moves out of a node at a time, at a drain.'),
      })
      .prefault({}),
    placement: z
      .strictObject({
        candidates: z
          .int()
          .min(1)
          .max(64)
          .default(3)
          .describe('Random nodes compared for one decision.'),
        rebalanceIntervalMs: ms.default(1_000),
        hysteresis: z
          .number()
          .min(0)
          .max(10)
          .default(0.1)
          .describe('Least part of the cost that a move must save.'),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
          .default('info'),
      })
      .prefault({}),
  })
  .describe('The configuration of Aries.')

export type NodeEntry = z.output<typeof nodeEntrySchema>
export type FrontEntry = z.output<typeof frontEntrySchema>
export type ClusterMap = z.output<typeof mapSchema>
export type Listener = z.output<typeof listenerSchema>
export type Route = z.output<typeof routeSchema>
export type ConfigFile = z.output<typeof configSchema>

/** The name of a task or a worker class: its module's file name without the ending. */
export type ModuleName = string

/** A configuration as the processes use it: checked whole, every path absolute. */
export interface Config extends Omit<ConfigFile, 'map'> {
  /** Absolute path of the file it came from. */
  readonly file: string
  /** Absolute path of the map, and what it says. */
  readonly mapFile: string
  readonly map: ClusterMap
  /** Task name → absolute path of its module. */
  readonly tasks: ReadonlyMap<ModuleName, string>
  /** Worker class → absolute path of its module. */
  readonly classes: ReadonlyMap<ModuleName, string>
}
