/** A thread that runs command lines, one after the other, and tells what each printed. */
import { parentPort } from 'node:worker_threads'
import { commandLine } from '../../src/cli/command-line.ts'
import type { Outcome } from './aries.ts'

export interface Order {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

parentPort!.on('message', async ({ args, env }: Order) => {
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
  const [stdout, stderr] = [process.stdout, process.stderr].map(printedTo) as [Text, Text]
  const code = await commandLine(args)
  parentPort!.postMessage({ code, stdout: stdout(), stderr: stderr() } satisfies Outcome)
})

type Text = () => string

/** What is written to the stream from now on. */
function printedTo(stream: NodeJS.WriteStream): Text {
  const parts: string[] = []
  stream.write = (part: string | Uint8Array): boolean => {
    parts.push(String(part))
    return true
  }
  return () => parts.join('')
}
