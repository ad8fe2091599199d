import { withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'

/** `aries cordon <node>` */
export async function cordon(id: string, options: ReadOptions): Promise<void> {
  const answer = await withClient(options, (client) =>
    client.post('POST /api/nodes/{id}/cordon', { id }),
  )
  if (options.json) printJson(answer)
  else print(`${id} gets nothing new; \`aries undrain ${id}\` takes it back into use`)
}
