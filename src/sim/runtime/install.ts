import { installChildren } from './children.ts'
import { installTcp } from './net.ts'
import { installTime } from './time.ts'

let installed = false

/**
 * Puts the virtual world under the code of this thread, for good. The thread must do nothing else:
 * `npm run sim` starts threads for it.
 */
export function installRuntime(): void {
  if (installed) return
  installed = true
  installTime()
  installTcp()
  installChildren()
}
