import type { DrainReport } from '../rpc.ts'
import type { AdminClient } from './client.ts'
import { withClient } from './client.ts'
import { count, milliseconds } from './format.ts'
import type { ReadOptions } from './options.ts'
import { EXIT, harmless, print, printJson, remark } from './output.ts'

const PROGRESS_INTERVAL_MS = 500

/** `aries drain <node>`; resolves with the exit code, 1 when a worker had to stay. */
export async function drain(id: string, options: ReadOptions): Promise<number> {
  const report = await withClient(options, async (client) => {
    const progress = new DrainProgress(client, id)
    try {
      progress.start()
      return await client.post('POST /api/nodes/{id}/drain', { id })
    } finally {
      progress.stop()
    }
  })
  if (options.json) printJson(report)
  else printReport(report)
  return report.left.length > 0 ? EXIT.failed : EXIT.ok
}

function printReport(report: DrainReport): void {
  print(
    `${report.node} is drained: ${count(report.moved, 'worker')} moved in ${milliseconds(report.ms)}`,
  )
  for (const { worker, why } of report.left) print(`  ${worker} stayed: ${harmless(why)}`)
  if (report.left.length === 0) print('  its process can be stopped; `aries undrain` takes it back')
}

/** How many workers are left, on stderr, while the drain runs. */
class DrainProgress {
  readonly #client: AdminClient
  readonly #id: string
  #timer: NodeJS.Timeout | undefined
  #asking = false
  #left = -1

  constructor(client: AdminClient, id: string) {
    this.#client = client
    this.#id = id
  }

  start(): void {
    this.#timer = setInterval(() => void this.#tell(), PROGRESS_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #tell(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    try {
      const { members } = await this.#client.get('GET /api/cluster')
      const left = members.find((member) => member.id === this.#id)?.workers ?? 0
      if (left !== this.#left && this.#timer !== undefined) {
        remark(`${this.#id}: ${count(left, 'worker')} left`)
      }
      this.#left = left
    } catch {
      // The drain itself tells when nobody answers any more.
    } finally {
      this.#asking = false
    }
  }
}
