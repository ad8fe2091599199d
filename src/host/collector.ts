import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { TidyComponents } from './tidy.ts'

/** V8's own collection on demand, which Node gives to nobody who does not ask for it by a flag. */
export function collector(): TidyComponents {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as NodeJS.GCFunction
  setFlagsFromString('--no-expose-gc')
  return {
    collect: () => {
      collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    },
    heapBytes: () => process.memoryUsage().heapUsed,
  }
}
