/** The demo's upstream: what it answers to bodies it does not take. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { request } from 'undici'
import { freePort } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'

const LEGACY = fileURLToPath(new URL('../../workers/legacy.ts', import.meta.url))

t.test('a body over its limit is answered 413, not reset', async (t) => {
  const url = `http://127.0.0.1:${await freePort()}`
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [LEGACY, url.slice(7)], { env, stdio: 'inherit' })
  t.teardown(async () => {
    child.kill()
    if (child.exitCode === null) await once(child, 'exit')
  })
  const post = async (bytes: number) => {
    const answer = await request(url, { method: 'POST', body: Buffer.alloc(bytes) })
    return { status: answer.statusCode, body: await answer.body.json() }
  }
  await until('it listens', async () => (await post(0)).status === 200)
  t.match(await post(1_048_576), { status: 200, body: { bytes: 1_048_576 } })
  t.match(await post(20_000_000), { status: 413, body: { bytes: 20_000_000 } })
})
