import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { until } from './helpers/until.ts'

t.test('what a test started ends when the test is killed', async (t) => {
  const file = fileURLToPath(new URL('./helpers/fixtures/leashed.ts', import.meta.url))
  const test = fork(file, { execArgv: [] })
  const [[ended, running]] = (await once(test, 'message')) as [[number, number]]
  t.notOk(isAlive(ended), 'one had ended by itself')
  t.ok(isAlive(running), 'the other runs')
  test.kill('SIGKILL')
  await until('the other is ended', () => !isAlive(running))
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
