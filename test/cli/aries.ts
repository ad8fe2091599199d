import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Order } from './thread.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Record<string, string>
  readonly cwd?: string
}

/** The environment without what tap passes on to children. */
export function cleanEnv(env: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  return { PATH, HOME, ...env }
}

/** Runs `aries` as a process of its own and waits for its end. */
export function aries(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: cleanEnv(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (part) => {
    stdout += part
  })
  child.stderr.on('data', (part) => {
    stderr += part
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

let thread: Worker | undefined
/** One command line at a time. */
let last: Promise<unknown> = Promise.resolve()

/**
 * Runs the command line in a thread of this process, which does all that `aries` does but for the
 * launcher, pipes and signals, at a tenth of what a process costs.
 */
export function ariesHere(
  args: readonly string[],
  { env = {} }: Pick<RunOptions, 'env'> = {},
): Promise<Outcome> {
  thread ??= new Worker(new URL('./thread.ts', import.meta.url), {
    env: cleanEnv(),
    // A test's loaders are not for the program.
    execArgv: [],
  })
  const run = last.then(() => answer(thread!, { args, env: cleanEnv(env) as Order['env'] }))
  last = run.catch(() => undefined)
  return run
}

async function answer(to: Worker, order: Order): Promise<Outcome> {
  to.ref()
  to.postMessage(order)
  try {
    const [outcome] = (await once(to, 'message')) as [Outcome]
    return outcome
  } finally {
    to.unref()
  }
}
