import { OutputDecoder } from '../jobs/output-frames.ts'
import { withClient } from './client.ts'
import { followJob, printAsJson, printOutput, printTail, printText } from './job-output.ts'
import type { ReadOptions } from './options.ts'
import { remark } from './output.ts'

export interface LogsOptions extends ReadOptions {
  readonly follow?: boolean
  readonly tail?: number
}

/** `aries logs <job>` */
export async function logs(id: string, options: LogsOptions): Promise<void> {
  const { follow, tail, json } = options
  const printFrame = json ? printAsJson : printText
  await withClient(options, async (client) => {
    if (follow) {
      await followJob(client, id, { tail, printFrame })
      return
    }
    const { state } = await client.get('GET /api/jobs/{id}', { id })
    if (state === 'queued') remark(`job ${id} is queued`)
    else if (tail === undefined)
      await printOutput(client, id, new OutputDecoder(), false, printFrame)
    else await printTail(client, id, new OutputDecoder(), tail, printFrame)
  })
}
