import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mayMakeMachines } from '../helpers/machines.ts'

const CUT_OFF = fileURLToPath(new URL('./fixtures/cut-off.ts', import.meta.url))

interface Found {
  readonly violations: readonly string[]
  readonly details: string
  readonly served: number
}

t.test(
  'a machine is cut off: its workers serve elsewhere, and when it is back it does no harm',
  { skip: mayMakeMachines() ? false : 'no network namespace may be made here' },
  async (t) => {
    const { NODE_OPTIONS: _options, ...env } = process.env
    const run = spawn(process.execPath, [CUT_OFF], { env, stdio: ['ignore', 'pipe', 'ignore'] })
    const [output] = await Promise.all([text(run.stdout), once(run, 'exit')])
    const { violations, details, served } = JSON.parse(output) as Found
    t.strictSame(violations, [])
    t.ok(served > 0, `${served} workers of the machine were served again`)
    if (details !== '') t.comment(details)
  },
)
