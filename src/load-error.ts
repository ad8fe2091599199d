/**
 * What to tell of a module that does not load: the place and the message, on one line. A syntax
 * error in TypeScript, and what a module throws while it runs, name their place in the stack; a
 * syntax error in plain JavaScript does not, so Node is asked once more to check that file.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AriesError } from './errors.ts'

const CHECK_TIMEOUT_MS = 5_000
/** Stands in the stack of every import that finds nothing. */
const RESOLVER = new URL('./worker/author-import.', import.meta.url).href

/** `<file>:<line>: <message>`, with the file that was to be loaded where no other is known. */
export async function describeLoadError(file: string, error: unknown): Promise<string> {
  if (error instanceof AriesError) return `${file}: ${error.message}`
  if (!(error instanceof Error)) return `${file}: ${String(error)}`
  const stack = error.stack ?? ''
  const place = placeIn(stack) ?? (error instanceof SyntaxError ? await checked(file) : undefined)
  return `${place ?? file}: ${error.message.split('\n')[0]}`
}

/** The first `file:line` of a stack that is the author's. */
function placeIn(stack: string): string | undefined {
  const places = /(?<=^|[\s(])((?:file:\/\/)?\/[^\s()]+?):(\d+)(?::\d+)?(?=[\s)]|$)/gm
  for (const [, path = '', line] of stack.matchAll(places)) {
    if (path.startsWith(RESOLVER)) continue
    return `${path.startsWith('file:') ? fileURLToPath(path) : path}:${line}`
  }
  return undefined
}

function checked(file: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: CHECK_TIMEOUT_MS, env: { ...process.env, NODE_OPTIONS: '' } }
    execFile(process.execPath, ['--check', file], options, (_error, _out, said) => {
      resolve(placeIn(said))
    })
  })
}
