/** What must hold of a node that is not in the map and wants to join. */
import { isIP } from 'node:net'
import { AriesError } from '../errors.ts'
import { isLoopback, isWildcard } from './address.ts'
import type { ClusterMap, Config, NodeEntry } from './schema.ts'
import { sqliteFile } from './store.ts'

/** Why `node` cannot be a member beside those of `map`, wherever it asks; undefined when it can. */
export function joinProblem(
  map: ClusterMap,
  node: Pick<NodeEntry, 'id' | 'host' | 'gossip' | 'data' | 'admin'>,
): string | undefined {
  const { id, host } = node
  if (!map.join)
    return `the map (epoch ${map.epoch}) lets nobody join; it would have a \`join\` section`
  const members = [...map.nodes, ...map.fronts]
  if (members.some((member) => member.id === id)) return `the map has a member "${id}" of its own`
  if (isIP(host) === 0 || isWildcard(host)) {
    return `"${host}" is not the IP address of a machine: where a node is that joins is told to all`
  }
  const other = members.find((member) => isLoopback(member.host) !== isLoopback(host))
  if (other)
    return `${host} and ${other.host} of ${other.id} cannot both be reached from one machine`
  const ports = [node.gossip, node.data, node.admin]
  for (const member of members) {
    const own = [member.gossip, member.admin, 'data' in member ? member.data : 0]
    const taken = member.host === host && ports.find((port) => own.includes(port))
    if (taken) return `port ${taken} of ${host} is that of ${member.id}`
  }
  return undefined
}

/** Throws `ARIES_E_CONFIG` when `node` cannot join with this configuration. */
export function checkJoining(config: Config, node: NodeEntry): void {
  const problem = joinProblem(config.map, node) ?? storeProblem(config, node)
  if (problem)
    throw new AriesError('ARIES_E_CONFIG', `${config.mapFile}: ${node.id} cannot join: ${problem}`)
}

function storeProblem({ store, map, keys }: Config, { host }: NodeEntry): string | undefined {
  if (isLoopback(host)) return undefined
  if (keys.length === 0) return 'a node that others reach needs the cluster key'
  const isElsewhere = map.nodes.some((node) => node.host !== host)
  if (!isElsewhere || sqliteFile(store) === undefined) return undefined
  return 'SQLite is a file of one machine, and it would be another; use PostgreSQL'
}
