/** `aries dev --nodes N`: the map with another number of nodes, in a file of its own. */
import { writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { stringify } from 'yaml'
import { formatFile } from '../../config/problems.ts'
import type { ClusterMap, NodeEntry } from '../../config/schema.ts'
import { ensureFolder } from '../../folder.ts'

/**
 * The first `nodes` of the map; new ones are called `n<number>`, live where the last one does, and
 * take the next ports that no member has.
 */
export function mapOfNodes(map: ClusterMap, nodes: number): ClusterMap {
  const list = map.nodes.slice(0, nodes)
  const ids = new Set([...map.nodes, ...map.fronts].map((member) => member.id))
  const ports = new Set([
    ...map.nodes.flatMap((node) => [node.gossip, node.data, node.admin]),
    ...map.fronts.flatMap((front) => [front.gossip, front.admin]),
  ])
  while (list.length < nodes) list.push(nextNode(list.at(-1)!, list.length + 1, ids, ports))
  return { ...map, nodes: list }
}

function nextNode(
  last: NodeEntry,
  number: number,
  ids: Set<string>,
  ports: Set<number>,
): NodeEntry {
  let id = `n${number}`
  for (let next = number + 1; ids.has(id); next++) id = `n${next}`
  ids.add(id)
  const next = (port: number): number => {
    let free = port
    while (ports.has(free)) free++
    ports.add(free)
    return free
  }
  return {
    ...last,
    id,
    gossip: next(last.gossip),
    data: next(last.data),
    admin: next(last.admin),
  }
}

/** Writes `map` to `file` with a word about where it came from. */
export function writeTemporaryMap(file: string, map: ClusterMap, from: string): void {
  ensureFolder(dirname(file))
  const origin = `# Made by \`aries dev --nodes ${map.nodes.length}\` from ${formatFile(from)}, and made anew each time.\n`
  writeFileSync(file, origin + stringify(map))
}
