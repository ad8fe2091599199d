/** The load of `bench:front`: wrk where it is installed and can do the case, else our own. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Hits, Shot } from './load-child.ts'
import { canPin, forkPinned, isCommand, LOAD_CORE, nextMessage, stopProcess } from './pinned.ts'

const run = promisify(execFile)
const CHILD = fileURLToPath(new URL('./load-child.ts', import.meta.url))
const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url))

export interface Load {
  fire(shot: Shot): Promise<Hits>
  /** Which generator fires that case. */
  generator(shot: Shot['case']): 'wrk' | 'own'
  stop(): Promise<void>
}

/** `ownOnly`: never wrk. */
export async function startLoad(ownOnly: boolean): Promise<Load> {
  const { child } = await forkPinned(LOAD_CORE, CHILD)
  const hasWrk = !ownOnly && isCommand('wrk')
  const generator = (of: Shot['case']): 'wrk' | 'own' =>
    hasWrk && of.speaks === 'http1' && of.uploadBytes === 0 && !of.closes ? 'wrk' : 'own'
  return {
    generator,
    async fire(shot) {
      if (generator(shot.case) === 'wrk') return fireWrk(shot)
      child.send(shot)
      return nextMessage<Hits>(child)
    },
    stop: () => stopProcess(child),
  }
}

/** wrk takes whole seconds. */
async function fireWrk({ case: of, port, ms }: Shot): Promise<Hits> {
  const scheme = of.listener === 'https' ? 'https' : 'http'
  const pin = canPin ? ['taskset', '-c', String(LOAD_CORE)] : []
  const wrk = ['wrk', '-t1', `-c${of.connections}`, `-d${Math.max(1, Math.round(ms / 1_000))}s`]
  const url = `${scheme}://127.0.0.1:${port}${of.path}`
  const [file, ...args] = [...pin, ...wrk, '-s', SCRIPT, url]
  const { stdout } = await run(file, args)
  const result = /^RESULT (.*)$/m.exec(stdout)
  if (result === null) throw new Error(`wrk said nothing: ${stdout}`)
  return JSON.parse(result[1]!) as Hits
}
