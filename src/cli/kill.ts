import { withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'

export interface KillOptions extends ReadOptions {
  readonly signal?: string
}

/** `aries kill <job>` */
export async function kill(id: string, options: KillOptions): Promise<void> {
  const { signal } = options
  const job = await withClient(options, (client) =>
    client.post('POST /api/jobs/{id}/kill', { id }, { body: { ...(signal && { signal }) } }),
  )
  if (options.json) printJson(job)
  else if (job.state === 'running') print(`job ${id} on ${job.node} is sent ${signal ?? 'SIGTERM'}`)
  else if (job.startedMs === null) print(`job ${id} will not begin`)
  else print(`job ${id} had ended`)
}
