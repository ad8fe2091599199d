import { withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'

/** `aries undrain <node>` */
export async function undrain(id: string, options: ReadOptions): Promise<void> {
  const answer = await withClient(options, (client) =>
    client.post('POST /api/nodes/{id}/undrain', { id }),
  )
  if (options.json) printJson(answer)
  else print(`${id} is in use again`)
}
