/** The shape of `config/cluster.yaml`. */
import { z } from 'zod'
import { host, id, ms, port } from './values.ts'

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
    .optional()
    .describe(
      'Speed of one of its cores relative to the others; multiplies its CPU capacity. Measured by the node itself when absent, where 1 is a core of an AMD EPYC under KVM: give it to all nodes or to none.',
    ),
})

export const frontEntrySchema = z.strictObject({
  id: id.describe('Name of the front, in logs and `aries status`.'),
  host: host.describe('Address that the other members reach it at.'),
  gossip: port.describe('UDP port of gossip.'),
  admin: port.describe('TCP port of the admin API.'),
})

const joinSchema = z.strictObject({
  max: z
    .int()
    .min(1)
    .max(200)
    .default(16)
    .describe('So many that are there at the same time; more are refused.'),
  forgetMs: ms
    .default(600_000)
    .describe('One that is dead is tried for so long; after that nobody knows of it any more.'),
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
    join: joinSchema
      .optional()
      .describe('Nodes that the map does not have may join. Absent: none may.'),
    fronts: z.array(frontEntrySchema).max(100).default([]).describe('The declared fronts.'),
  })
  .describe('The map: the declared membership of the cluster.')
