/**
 * A member that restarts itself. It ends in order, and then the process becomes a new one in its
 * place (`process.execve`): same process id, same standard streams, so that whoever started it
 * notices nothing. Every other file descriptor is closed by that, also an IPC channel; a parent that
 * needs its channel has the member end with an exit code of the parent's choice instead.
 */

/** How a parent says which exit code means "start me again". */
export const RESTART_CODE_ENV = 'ARIES_RESTART_CODE'

/** Becomes a new process, or returns the exit code that asks the parent for one. */
export function becomeNew(): number {
  const code = Number(process.env[RESTART_CODE_ENV])
  if (Number.isInteger(code) && code > 0) return code
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  return process.execve!(process.execPath, args, process.env)
}
