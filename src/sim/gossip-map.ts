import type { ClusterMap, NodeEntry } from '../config/schema.ts'

/** A map of nodes n1, n2, … and fronts f1, f2, … that only the simulation reaches. */
export function nodesMap(nodes: number, fronts = 0): ClusterMap {
  const node = (index: number): NodeEntry => ({
    id: `n${index + 1}`,
    host: '10.0.0.1',
    gossip: 7_000 + index,
    data: 8_000 + index,
    admin: 9_000 + index,
    speed: 1,
  })
  return {
    cluster: 'sim',
    epoch: 1,
    nodes: Array.from({ length: nodes }, (_, index) => node(index)),
    fronts: Array.from({ length: fronts }, (_, index) => ({
      ...node(nodes + index),
      id: `f${index + 1}`,
    })),
  }
}
