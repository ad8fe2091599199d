import { DEPLOYING, type DeployReport } from '../rpc.ts'
import type { AdminClient } from './client.ts'
import { count, milliseconds } from './format.ts'
import { nodesInOrder } from './node-order.ts'
import type { ReadOptions } from './options.ts'
import { harmless } from './output.ts'
import { withProgress } from './progress.ts'
import { tellReports } from './reports.ts'

export interface DeployOptions extends ReadOptions {
  readonly node?: readonly string[]
}

/** `aries deploy`; resolves with the exit code, 1 when it stopped at a node. */
export function deploy(options: DeployOptions): Promise<number> {
  return tellReports(options, (client) => rollOut(client, options.node), reportText)
}

/**
 * Deploys on one node after another, all under one new generation, and stops after the first that
 * fails. `wanted` absent: every node that is alive.
 */
export async function* rollOut(
  client: AdminClient,
  wanted: readonly string[] | undefined,
): AsyncGenerator<DeployReport> {
  const nodes = await nodesInOrder(client, wanted)
  const statuses = await client.get('GET /api/status')
  const processes = statuses.flatMap((status) => status.processes)
  const generation = Math.max(1, ...processes.map((each) => each.generation)) + 1
  for (const id of nodes) {
    const report = await withProgress(
      () => noteOf(client, id),
      () => client.post('POST /api/nodes/{id}/deploy', { id }, { body: { generation } }),
    )
    yield report
    if (report.failure !== null) return
  }
}

async function noteOf(client: AdminClient, id: string): Promise<string | undefined> {
  const statuses = await client.get('GET /api/status')
  const notes = statuses.find((status) => status.id === id)?.notes
  const note = notes?.find((each) => each.startsWith(DEPLOYING))
  return note && `${id}: ${note}`
}

/** One node's part, in words. */
export function reportText(report: DeployReport): string {
  const { node, generation, moved, left, failure, ms } = report
  if (failure === null) {
    return `${node} runs the new code (generation ${generation}): ${count(moved, 'worker')} moved in ${milliseconds(ms)}`
  }
  const stays =
    moved === 0 ? 'all of it' : `${count(left, 'worker')} of it, ${count(moved, 'worker')} moved`
  return `${node} stays on the old code, ${stays}: ${harmless(failure)}`
}
