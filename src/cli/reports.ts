import { type AdminClient, withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { EXIT, print, printJson } from './output.ts'

/**
 * Prints what `work` has to say of one node after another, each as it comes (with `--json` all in
 * the end); resolves with the exit code, 1 when it stopped at a node.
 */
export async function tellReports<R extends { readonly failure: string | null }>(
  options: ReadOptions,
  work: (client: AdminClient) => AsyncIterable<R>,
  text: (report: R) => string,
): Promise<number> {
  const reports = await withClient(options, async (client) => {
    const told: R[] = []
    for await (const report of work(client)) {
      told.push(report)
      if (!options.json) print(text(report))
    }
    return told
  })
  if (options.json) printJson(reports)
  return reports.some(({ failure }) => failure !== null) ? EXIT.failed : EXIT.ok
}
