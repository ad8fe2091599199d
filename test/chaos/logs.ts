/** The errors in the logs of a chaos run that no fault explains. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What is logged as an error because something was broken on purpose. */
const EXPECTED: ReadonlySet<string> = new Set([
  // A child was killed.
  'host process was ended by SIGKILL',
  'pool process was ended by SIGKILL',
  'host process did not start',
  // The store was restarted, or a paused process held the lock of its file.
  'the store does not answer',
  'commit failed',
  'could not evict',
  'takeover failed; requests will do the rest',
])

/** Lines of level `error` and `fatal`, and what is no log line at all. */
export function unexpected(dir: string): string[] {
  const found: string[] = []
  for (const file of readdirSync(dir)) {
    if (!file.endsWith('.log')) continue
    for (const line of readFileSync(join(dir, file), 'utf8').split('\n')) {
      if (line !== '' && !isFine(line)) found.push(`${file}: ${line.slice(0, 1_000)}`)
    }
  }
  return found
}

function isFine(line: string): boolean {
  try {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string }
    return (level !== 'error' && level !== 'fatal') || EXPECTED.has(msg)
  } catch {
    return false
  }
}
