/**
 * The shape of `config/aries.yaml` and `config/cluster.yaml`: one source for types, validation,
 * `config/*.schema.json` and `docs/reference/config.md`. Every limit is finite by default.
 */
import { z } from 'zod'
import { KEYS_MAX } from '../keys.ts'
import { balanceSchema } from './schema/balance.ts'
import { type ClassConfig, classesSchema, resourcesSchema } from './schema/classes.ts'
import { accessLogSchema, frontSchema } from './schema/front.ts'
import { healthSchema, outliersSchema } from './schema/health.ts'
import { jobsSchema } from './schema/jobs.ts'
import { listenerSchema } from './schema/listeners.ts'
import type { frontEntrySchema, mapSchema, nodeEntrySchema } from './schema/map.ts'
import { callsSchema, hostSchema, moveSchema, placementSchema, poolSchema } from './schema/node.ts'
import { routeSchema } from './schema/routes.ts'

export const configSchema = z
  .strictObject({
    map: z.string().default('./cluster.yaml').describe('The map: a file, relative to this one.'),
    key: z
      .union([z.string(), z.array(z.string()).min(1).max(KEYS_MAX)])
      .default('')
      .describe(
        'Cluster key, at least 16 characters, the same everywhere: authenticates and encrypts gossip, authenticates calls between members. A list: the first is used, all are accepted. Empty: none, allowed while every member is on loopback.',
      ),
    keyFile: z
      .string()
      .optional()
      .describe(
        'Instead of `key`: a file with one key on each line, relative to this one, mode 600. The first is used, all are accepted; it is watched, and `aries keys rotate` changes it.',
      ),
    store: z
      .string()
      .default('sqlite:../data/aries.db')
      .describe(
        'Where owner records and state are kept: `sqlite:<file>`, relative to this file, for one machine; `postgres://user:password@host/db` for several (TLS and limits: docs/guides/postgresql.md).',
      ),
    listeners: z.array(listenerSchema).min(1).describe('Where the fronts take clients.'),
    routes: z
      .array(routeSchema)
      .min(1)
      .describe('Tried in order; the first that matches is taken.'),
    gossip: z
      .strictObject({
        preset: z
          .enum(['lan', 'wan', 'local', 'quick'])
          .default('local')
          .describe(
            'Set of gossip times. `local`: a dead member is noticed in half a second, for one machine or one switch; `quick`: in a quarter of one, for a quiet network and cores that are never busy with other things; `lan`: calmer, for a busy network or many members; `wan`: for members far apart.',
          ),
      })
      .prefault({})
      .describe('How members watch each other.'),
    front: frontSchema,
    balance: balanceSchema,
    accessLog: accessLogSchema,
    health: healthSchema,
    outliers: outliersSchema,
    pool: poolSchema,
    host: hostSchema,
    classes: classesSchema,
    resources: resourcesSchema,
    calls: callsSchema,
    move: moveSchema,
    placement: placementSchema,
    jobs: jobsSchema,
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

export type { ClassConfig, ClassOptions, Near } from './schema/classes.ts'

/** The name of a task or a worker class: its module's file name without the ending. */
export type ModuleName = string

/** A configuration as the processes use it: checked whole, every path absolute. */
export interface Config extends Omit<ConfigFile, 'map' | 'classes' | 'key' | 'keyFile'> {
  /** Absolute path of the file it came from. */
  readonly file: string
  /** Absolute path of the map, and what it says. */
  readonly mapFile: string
  readonly map: ClusterMap
  /** The keys of the cluster: the first is used, all are accepted; none: nothing is sealed. */
  readonly keys: readonly string[]
  /** Absolute path of the file that they came from; undefined: of the configuration. */
  readonly keyFile: string | undefined
  /** Task name → absolute path of its module. */
  readonly tasks: ReadonlyMap<ModuleName, string>
  /** Worker class → its module and options. */
  readonly classes: ReadonlyMap<ModuleName, ClassConfig>
}
