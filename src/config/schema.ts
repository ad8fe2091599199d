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
  id: id.describe('Name of the front, in logs and `aries status`.'),
  host: host.describe('Address that the other members reach it at.'),
  gossip: port.describe('UDP port of gossip.'),
  admin: port.describe('TCP port of the admin API.'),
})

export const mapSchema = z
  .strictObject({
    cluster: id.describe('Name of the cluster; members of another cluster are not heard.'),
    epoch: z
      .int()
      .min(1)
      .describe(
        'Version of the map; raise it with every change: a changed map with the same epoch is refused.',
      ),
    nodes: z.array(nodeEntrySchema).min(1).max(1_000).describe('The declared nodes.'),
    fronts: z.array(frontEntrySchema).max(100).default([]).describe('The declared fronts.'),
  })
  .describe('The map: the declared membership of the cluster.')

export const listenerSchema = z.union([
  z
    .strictObject({
      http: z
        .string()
        .describe('`host:port` to take HTTP/1.1 and WebSocket at; `0.0.0.0:80` for every address.'),
    })
    .describe('Takes HTTP requests and WebSockets; the routes say where they go.'),
  z
    .strictObject({
      tcp: z.string().describe('`host:port` to take raw TCP at.'),
      upstreams: z
        .array(z.string().describe('`tcp://host:port`.'))
        .min(1)
        .describe('The servers behind it.'),
    })
    .describe('Passes the bytes of each connection to one of its upstreams.'),
])

const routeBase = {
  path: z
    .string()
    .startsWith('/')
    .describe('Pattern: `:name` takes one segment that is not empty, a last `*` the rest.'),
}

export const routeSchema = z.union([
  z
    .strictObject({
      ...routeBase,
      task: z
        .string()
        .describe(
          'Module of a task, relative to this file; its file name is the name of the task.',
        ),
    })
    .describe('Runs a task on the node where it costs least.'),
  z
    .strictObject({
      ...routeBase,
      worker: z
        .string()
        .describe(
          'Module of a worker class, relative to this file; its file name is the name of the class. The path has one segment `:key`.',
        ),
    })
    .describe(
      'Asks the worker of that class and key, wherever it lives; the first request makes it.',
    ),
  z
    .strictObject({
      ...routeBase,
      upstreams: z
        .array(z.string().describe('`http://host:port`.'))
        .min(1)
        .describe('The servers behind it; the healthy one with the fewest requests is asked.'),
      forwarder: z
        .enum(['aries', 'http-proxy'])
        .default('aries')
        .describe(
          '`aries`: the own engine. `http-proxy`: the compatible one, several times slower, for those who need its exact behaviour.',
        ),
    })
    .describe('Forwards to servers that Aries did not start.'),
])

export const configSchema = z
  .strictObject({
    map: z.string().default('./cluster.yaml').describe('The map: a file, relative to this one.'),
    key: z
      .string()
      .default('')
      .describe(
        'Cluster key, at least 16 characters, the same everywhere: authenticates and encrypts gossip, authenticates calls between members. Empty: none, allowed while every member is on loopback.',
      ),
    store: z
      .string()
      .default('sqlite:../data/aries.db')
      .describe(
        'Where owner records and state are kept: `sqlite:<file>`, relative to this file, for one machine; `postgres://user:password@host/db` for several.',
      ),
    listeners: z.array(listenerSchema).min(1).describe('Where the fronts take clients.'),
    routes: z
      .array(routeSchema)
      .min(1)
      .describe('Tried in order; the first that matches is taken.'),
    gossip: z
      .strictObject({
        preset: z
          .enum(['lan', 'wan', 'quick'])
          .default('quick')
          .describe(
            'Set of gossip times. `quick`: a dead member is noticed in a fraction of a second, for a quiet network; `lan`: calmer, for a busy one; `wan`: for members far apart.',
          ),
      })
      .prefault({})
      .describe('How members watch each other.'),
    front: z
      .strictObject({
        shards: z
          .int()
          .min(1)
          .max(64)
          .optional()
          .describe(
            'Event loops of a front; default half of the cores, the nodes need the others.',
          ),
        headBytesMax: z
          .int()
          .min(1_024)
          .max(1_048_576)
          .default(32_768)
          .describe('Largest request head, bytes; twice what browsers send at most.'),
        bodyBytesMax: z
          .int()
          .min(0)
          .default(104_857_600)
          .describe('Largest request body, bytes; it streams, so memory is not the limit.'),
        replayBytesMax: z
          .int()
          .min(0)
          .default(65_536)
          .describe(
            'Largest request body, bytes, that is kept to send it again to another target; larger ones are sent once.',
          ),
        connectionsMax: z
          .int()
          .min(1)
          .default(20_000)
          .describe('Client connections per shard; more are closed at once.'),
        waitingMax: z
          .int()
          .min(1)
          .default(10_000)
          .describe(
            'Requests per shard that may wait for the owner of their worker, in a failover for instance.',
          ),
        headTimeoutMs: ms
          .default(15_000)
          .describe(
            'Milliseconds from the first byte of a request head to its end; ends slow attackers.',
          ),
        idleTimeoutMs: ms
          .default(75_000)
          .describe(
            'Milliseconds that a client connection may stay open without a request; longer than what usual load balancers in front keep theirs.',
          ),
        bodyIdleTimeoutMs: ms
          .default(30_000)
          .describe('Milliseconds between two pieces of a body.'),
        connectTimeoutMs: ms
          .default(1_000)
          .describe(
            'Milliseconds to open a connection to a target; within a data centre it takes one.',
          ),
        responseTimeoutMs: ms
          .default(60_000)
          .describe('Milliseconds from the request sent to the response head.'),
        ownerTimeoutMs: ms
          .default(10_000)
          .describe(
            'Milliseconds that a request waits for its worker to have an owner; far above what a failover takes.',
          ),
        tunnelIdleTimeoutMs: ms
          .default(3_600_000)
          .describe('Milliseconds that an upgraded connection may stay silent.'),
        drainTimeoutMs: ms
          .default(3_000)
          .describe(
            'Milliseconds that requests in flight get at shutdown; together with the nodes it stays under 5 s.',
          ),
      })
      .prefault({})
      .describe('Limits of the fronts: sizes in bytes, times in milliseconds.'),
    health: z
      .strictObject({
        path: z
          .string()
          .startsWith('/')
          .default('/')
          .describe('Path asked of each upstream; any status below 500 is well.'),
        intervalMs: ms.default(1_000).describe('Milliseconds between two checks of an upstream.'),
        timeoutMs: ms.default(500).describe('Milliseconds that an upstream has to answer a check.'),
        rise: z
          .int()
          .min(1)
          .default(1)
          .describe('Good checks in a row that make an upstream healthy again.'),
        fall: z
          .int()
          .min(1)
          .default(2)
          .describe('Bad checks in a row that make it unhealthy; one alone may be chance.'),
      })
      .prefault({})
      .describe('Checks of the upstreams of HTTP routes.'),
    pool: z
      .strictObject({
        threads: z
          .int()
          .min(1)
          .max(256)
          .optional()
          .describe('Threads for tasks on each node; default one per core.'),
        taskTimeoutMs: ms
          .default(10_000)
          .describe('Longest run of a task, milliseconds; then its thread is ended.'),
        taskMemoryMb: z
          .int()
          .min(16)
          .max(65_536)
          .default(256)
          .describe('Heap of one task thread, mebibytes; a task that needs more is ended.'),
        queueMax: z
          .int()
          .min(1)
          .default(1_000)
          .describe('Tasks that may wait for a thread; more are answered 503 at once.'),
        bodyBytesMax: z
          .int()
          .min(0)
          .default(10_485_760)
          .describe('Largest request or response body of a task, bytes; it is held in memory.'),
      })
      .prefault({})
      .describe('Tasks: limits of the pool on each node.'),
    host: z
      .strictObject({
        requestTimeoutMs: ms.default(30_000).describe('Longest turn of a worker, milliseconds.'),
        queueMax: z
          .int()
          .min(1)
          .default(1_000)
          .describe('Events that may wait in one mailbox; more are answered 503 at once.'),
        bodyBytesMax: z
          .int()
          .min(0)
          .default(10_485_760)
          .describe('Largest request body of a worker, bytes; it is held in memory.'),
        messageBytesMax: z
          .int()
          .min(1)
          .default(1_048_576)
          .describe('Largest WebSocket message, bytes; a longer one closes the session with 1009.'),
        memoryMb: z.int().min(64).default(2_048).describe('Heap of the host process, mebibytes.'),
        leaseMs: ms
          .default(5_000)
          .describe(
            'Milliseconds that a node that lost the store goes on serving reads; also the longest time until others may take over its workers.',
          ),
      })
      .prefault({})
      .describe('Workers: limits of the host on each node.'),
    move: z
      .strictObject({
        fenceTimeoutMs: ms
          .default(500)
          .describe(
            'Milliseconds from the closed mailbox to the commit; then the move is given up.',
          ),
        copyTimeoutMs: ms
          .default(60_000)
          .describe('Longest COPY phase, milliseconds; the worker serves meanwhile.'),
        turnBudgetMs: ms
          .default(2_000)
          .describe(
            'Milliseconds that the fence waits for the running turn; then the move is given up.',
          ),
        concurrency: z
          .int()
          .min(1)
          .max(64)
          .default(8)
          .describe('Moves out of a node at a time, at a drain; more only wait for each other.'),
      })
      .prefault({})
      .describe('Live moves of workers.'),
    placement: z
      .strictObject({
        candidates: z
          .int()
          .min(1)
          .max(64)
          .default(3)
          .describe(
            'Random nodes compared for one decision; few, so that not all choosers run to the same one.',
          ),
        rebalanceIntervalMs: ms
          .default(1_000)
          .describe('Milliseconds between two looks for a worker that would cost less elsewhere.'),
        hysteresis: z
          .number()
          .min(0)
          .max(10)
          .default(0.1)
          .describe(
            'Least part of the cost that a move must save; 0.1 is a tenth. Less makes workers wander.',
          ),
      })
      .prefault({})
      .describe('Choosing nodes.'),
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
          .default('info')
          .describe('Least level that is logged; the environment variable ARIES_LOG overrides it.'),
      })
      .prefault({})
      .describe('What is logged.'),
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
