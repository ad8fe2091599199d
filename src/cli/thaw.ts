import { formatWorkerId, type WorkerId } from '../identity.ts'
import { withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'

/** `aries thaw <class>/<key>` */
export async function thaw(id: WorkerId, options: ReadOptions): Promise<void> {
  const answer = await withClient(options, (client) =>
    client.post('POST /api/workers/{class}/{key}/thaw', { ...id }),
  )
  if (options.json) printJson(answer)
  else print(`${formatWorkerId(id)} takes requests again`)
}
