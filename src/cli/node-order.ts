/** Which nodes a command goes through, one after another. */
import { AriesError } from '../errors.ts'
import type { AdminClient } from './client.ts'
import { remark } from './output.ts'

/**
 * The nodes that are meant, in order: those named, or every one that is alive. Throws when a named
 * one does not exist or is not alive.
 */
export async function nodesInOrder(
  client: AdminClient,
  named: readonly string[] | undefined,
): Promise<readonly string[]> {
  const { members } = await client.get('GET /api/cluster')
  const nodes = members
    .filter(({ role }) => role === 'node')
    .toSorted((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
  if (!named || named.length === 0) {
    for (const { id, state } of nodes) {
      if (state !== 'alive') remark(`${id} is ${state}: it is left out`)
    }
    return nodes.filter(({ state }) => state === 'alive').map(({ id }) => id)
  }
  for (const id of named) {
    const node = nodes.find((each) => each.id === id)
    if (!node) {
      const known = nodes.map((each) => each.id).join(', ')
      throw new AriesError('ARIES_E_NODE_UNKNOWN', `there is no node "${id}"; there are ${known}`)
    }
    if (node.state !== 'alive') {
      throw new AriesError('ARIES_E_NODE_UNREACHABLE', `node ${id} is ${node.state}`)
    }
  }
  return [...new Set(named)]
}
