/**
 * Ends the processes that a test or a bench started also when it is killed, and can end nothing
 * itself: a shell beside it holds the other end of a pipe and ends them when that closes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

const GUARD = `
trap '' INT TERM HUP
pids=' '
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
alive() { for pid in $pids; do kill -0 $pid 2>/dev/null && return 0; done; return 1; }
for pid in $pids; do kill -TERM $pid 2>/dev/null; done
for i in 1 2 3 4 5 6 7 8; do alive || exit 0; sleep 1; done
for pid in $pids; do kill -KILL $pid 2>/dev/null; done
`

let pipe: Socket | undefined

/** `child` ends when this process does, however that is. */
export function leash(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined) return
  pipe ??= startGuard()
  const guard = pipe
  guard.write(`+ ${pid}\n`)
  child.once('exit', () => guard.write(`- ${pid}\n`))
}

function startGuard(): Socket {
  // A session of its own: Ctrl-C reaches all processes of a terminal's.
  const guard = spawn('/bin/sh', ['-c', GUARD, 'test-guard'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guard.unref()
  const stdin = guard.stdin as Socket
  stdin.unref()
  // A guard that is gone guards nothing; the test goes on.
  stdin.on('error', () => {})
  return stdin
}
