import { formatWorkerId, type WorkerId } from '../identity.ts'
import { withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'

/** `aries freeze <class>/<key>` */
export async function freeze(id: WorkerId, options: ReadOptions): Promise<void> {
  const answer = await withClient(options, (client) =>
    client.post('POST /api/workers/{class}/{key}/freeze', { ...id }),
  )
  const name = formatWorkerId(id)
  if (options.json) printJson(answer)
  else print(`${name} takes no requests; \`aries thaw ${name}\` takes it back into use`)
}
