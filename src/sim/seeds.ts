/** Runs the seeds of an area on several threads; what comes of it does not depend on how many. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { SeedResult } from './area.ts'
import type { FromThread, ThreadSetup } from './thread.ts'

export interface SeedsInit extends ThreadSetup {
  readonly from: number
  readonly seeds: number
  readonly threads: number
}

/**
 * Calls `done` for each seed as its result comes, in no certain order, until it answers false.
 * Throws when a seed does.
 */
export async function runSeeds(
  init: SeedsInit,
  done: (seed: number, result: SeedResult) => boolean,
): Promise<void> {
  const end = init.from + init.seeds
  let next = init.from
  const take = (): number | undefined => (next < end ? next++ : undefined)
  const hear = (seed: number, result: SeedResult): void => {
    if (!done(seed, result)) next = end
  }
  const { area, quick } = init
  const threads = Math.min(init.threads, init.seeds)
  await Promise.all(Array.from({ length: threads }, () => runThread({ area, quick }, take, hear)))
}

function runThread(
  setup: ThreadSetup,
  take: () => number | undefined,
  done: (seed: number, result: SeedResult) => void,
): Promise<void> {
  const file = new URL(`./thread${extname(import.meta.url)}`, import.meta.url)
  // A test's loaders are not for the simulated world.
  const env = { ...process.env, NODE_OPTIONS: '' }
  const name = `sim ${setup.area}`
  // What a seed allocates is mostly short-lived: a larger nursery is collected less often.
  const resourceLimits = { maxYoungGenerationSizeMb: 64 }
  const thread = new Worker(file, { workerData: setup, execArgv: [], env, name, resourceLimits })
  return new Promise<void>((resolve, reject) => {
    const give = (): void => {
      const seed = take()
      if (seed !== undefined) thread.postMessage(seed)
      else void thread.terminate()
    }
    thread.on('message', (message: FromThread) => {
      if ('error' in message) {
        reject(new Error(`seed ${message.seed}: ${message.error}`))
        void thread.terminate()
        return
      }
      done(message.seed, message.result)
      give()
    })
    thread.once('error', reject)
    thread.once('exit', () => resolve())
    give()
  })
}
