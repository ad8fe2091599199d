/** Runs seeds of one area: a thread, since an area may put the virtual world under all its code. */
import { parentPort, workerData } from 'node:worker_threads'
import type { SeedResult } from './area.ts'
import { areas } from './areas.ts'

export interface ThreadSetup {
  readonly area: string
  readonly quick: boolean
}

export type FromThread =
  | { readonly seed: number; readonly result: SeedResult }
  | { readonly seed: number; readonly error: string }

const { area: name, quick } = workerData as ThreadSetup
const area = areas.find((one) => one.name === name)!
const port = parentPort!

port.on('message', async (seed: number) => {
  try {
    port.postMessage({ seed, result: await area.runSeed(seed, { quick }) } satisfies FromThread)
  } catch (error) {
    const { stack } = error as Error
    port.postMessage({ seed, error: stack ?? String(error) } satisfies FromThread)
  }
})
