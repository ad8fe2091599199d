/** Does twice the machines do twice the work? Throughput per node and p99 of 1 to 1,024 nodes. */
import { runRequests, type ScalingResult } from './requests.ts'
import { runWorkers } from './workers.ts'

/** Asked of throughput and p99, relative to one node; HAS (2006) came to about that at 16. */
export const SCALING_ASKED = 0.97

const SIZES = [1, 2, 4, 8, 16, 64, 256, 1_024]
const QUICK_MAX = 64
const REQUESTS = 300_000
const QUICK_REQUESTS = 100_000

interface Kind {
  readonly kind: 'requests' | 'workers'
  /** Part of each node's capacity that is offered. */
  readonly load: number
  readonly run: typeof runRequests
}

const KINDS: readonly Kind[] = [
  { kind: 'requests', load: 0.9, run: runRequests },
  { kind: 'workers', load: 0.5, run: runWorkers },
]

export interface ScalingRow extends ScalingResult {
  readonly kind: Kind['kind']
  readonly load: number
  readonly nodes: number
  /** Of `perNode` to that of one node. */
  readonly throughput: number
  /** p99 of one node to that of this many: 1 is the same, less is slower. */
  readonly latency: number
}

/** The rows one by one, as they are done. */
export function* scalingRows(options: { quick: boolean; seed: number }): Generator<ScalingRow> {
  const { quick, seed } = options
  const requests = quick ? QUICK_REQUESTS : REQUESTS
  for (const { kind, load, run } of KINDS) {
    let one: ScalingResult | undefined
    for (const nodes of SIZES.filter((size) => !quick || size <= QUICK_MAX)) {
      const result = run({ nodes, seed, load, requests })
      one ??= result
      const throughput = result.perNode / one.perNode
      yield { kind, load, nodes, ...result, throughput, latency: one.p99Ms / result.p99Ms }
    }
  }
}
