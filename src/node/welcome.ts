import { isLoopback } from '../config/address.ts'
import { joinProblem } from '../config/joining.ts'
import { nodeEntrySchema } from '../config/schema/map.ts'
import type { ClusterMap } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import type { GossipDriver, JoinedNode, Member } from '../gossip/types.ts'
import type { Rpc } from '../rpc.ts'

/** Lets a node in that the map does not have. Throws `ARIES_E_JOIN_REFUSED`. */
export function welcome(
  gossip: Pick<GossipDriver, 'members' | 'join'>,
  map: ClusterMap,
  { cluster, boot, ...entry }: Rpc['join']['params'],
): void {
  const node = nodeEntrySchema.safeParse(entry).data
  if (!node || !Number.isSafeInteger(boot) || boot < 1) {
    throw new AriesError(
      'ARIES_E_BAD_REQUEST',
      'that is no node: id, host, gossip, data, admin, boot',
    )
  }
  const newcomer = { ...node, boot }
  const words = refusal(gossip.members(), map, cluster, newcomer)
  if (words) throw new AriesError('ARIES_E_JOIN_REFUSED', `${node.id} cannot join: ${words}`)
  gossip.join(newcomer)
}

function refusal(
  members: readonly Member[],
  map: ClusterMap,
  cluster: string,
  node: JoinedNode,
): string | undefined {
  if (cluster !== map.cluster) return `this is cluster ${map.cluster}, not ${cluster}`
  const problem = joinProblem(map, node)
  if (problem) return problem
  const present = members.filter(({ state }) => state === 'alive' || state === 'suspect')
  const others = present.filter(({ id, boot }) => id !== node.id || boot > node.boot)
  const namesake = others.find(({ id }) => id === node.id)
  if (namesake) return `${namesake.host}:${namesake.dataPort} is ${node.id} already`
  const neighbour = others.find((member) => sharesPort(member, node))
  if (neighbour) return `${neighbour.id} has one of its ports at ${node.host}`
  const joined = others.filter((member) => member.joined).length
  if (joined >= map.join!.max) return `${joined} have joined, and the map lets no more in`
  return undefined
}

function sharesPort(member: Member, node: JoinedNode): boolean {
  const isSameHost = member.host === node.host || (isLoopback(member.host) && isLoopback(node.host))
  const ports = [member.gossipPort, member.dataPort, member.adminPort]
  return isSameHost && [node.gossip, node.data, node.admin].some((port) => ports.includes(port))
}
