import type { DrainReport } from '../rpc.ts'
import type { AdminClient } from './client.ts'
import { withClient } from './client.ts'
import { count, milliseconds } from './format.ts'
import type { ReadOptions } from './options.ts'
import { EXIT, harmless, print, printJson } from './output.ts'
import { withProgress } from './progress.ts'

/** `aries drain <node>`; resolves with the exit code, 1 when a worker had to stay or a job still runs. */
export async function drain(id: string, options: ReadOptions): Promise<number> {
  const report = await withClient(options, (client) =>
    withProgress(
      () => leftText(client, id),
      () => client.post('POST /api/nodes/{id}/drain', { id }),
    ),
  )
  if (options.json) printJson(report)
  else printReport(report)
  return report.left.length > 0 || report.jobs.length > 0 ? EXIT.failed : EXIT.ok
}

function printReport(report: DrainReport): void {
  print(
    `${report.node} is drained: ${count(report.moved, 'worker')} moved in ${milliseconds(report.ms)}`,
  )
  for (const { worker, why } of report.left) print(`  ${worker} stayed: ${harmless(why)}`)
  for (const job of report.jobs) print(`  job ${job} still runs there`)
  if (report.left.length === 0 && report.jobs.length === 0)
    print('  its process can be stopped; `aries undrain` takes it back')
}

/** How many workers are left. */
export async function leftText(client: AdminClient, id: string): Promise<string> {
  const { members } = await client.get('GET /api/cluster')
  const left = members.find((member) => member.id === id)?.workers ?? 0
  return `${id}: ${count(left, 'worker')} left`
}
