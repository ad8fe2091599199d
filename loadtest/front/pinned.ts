/** Processes that are bound to one core, so that a proxy and its load do not take it from each other. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'

export const PROXY_CORE = 1
export const LOAD_CORE = 0

export function isCommand(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore', env: commandEnv() })
    return true
  } catch {
    return false
  }
}

/** Whether processes can be bound: two cores, and `taskset`. */
export const canPin = availableParallelism() > 1 && isCommand('taskset')

/** Debian keeps servers in a folder that is not on everyone's path. */
function commandEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` }
}

/** Starts `command` on `core`; its pid is that of the command. */
export function spawnPinned(core: number, command: readonly string[], ipc = false): ChildProcess {
  const [file = '', ...args] = canPin ? ['taskset', '-c', String(core), ...command] : command
  const stdio = ['ignore', 'ignore', 'inherit', ...(ipc ? (['ipc'] as const) : [])] as const
  return spawn(file, args, { stdio: [...stdio], env: commandEnv() })
}

/** Starts a module with Node on `core` and returns the first that it tells. */
export async function forkPinned<T>(
  core: number,
  file: string,
  args: readonly string[] = [],
): Promise<{ child: ChildProcess; told: T }> {
  const child = spawnPinned(core, [process.execPath, file, ...args], true)
  return { child, told: await nextMessage<T>(child) }
}

/** Rejects when the child ends instead. */
export function nextMessage<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error(`${child.spawnargs.join(' ')} ended`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message as T)
    })
  })
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const cut = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(cut)
}
