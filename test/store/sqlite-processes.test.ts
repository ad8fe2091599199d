import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { ownedWorker, stateOf, turn, worker } from './helpers.ts'

const log = createLogger({ role: 'node', id: 'test' }, 'silent')
const open = (path: string): Promise<Store> => openStore({ log }, `sqlite:${path}`)

t.test('a lock that another holds for ever fails the calls, not the store', async (t) => {
  const path = join(t.testdir(), 'aries.db')
  const store = await open(path)
  t.teardown(() => store.close())
  const { node, id } = await ownedWorker(store)
  const db = new DatabaseSync(path)
  t.teardown(() => db.close())
  db.exec('BEGIN IMMEDIATE')
  const refused = store.commit(node, 1, [turn(id, 1, 1, { v: 'lost' })])
  await t.rejects(refused, { code: 'ARIES_E_STORE', message: /locked by another process/ })
  db.exec('ROLLBACK')
  t.same(await store.commit(node, 1, [turn(id, 1, 1, { v: 'kept' })]), ['ok'])
  t.same(await stateOf(store, id), { v: 'kept' })
})

t.test(
  'processes hammer one file, one is killed: the other goes on, nothing is lost',
  async (t) => {
    const path = join(t.testdir(), 'aries.db')
    const [killed, other] = [hammer(path, 'n1'), hammer(path, 'n2')]
    t.teardown(() => killed.child.kill('SIGKILL'))
    t.teardown(() => other.child.kill('SIGKILL'))
    await Promise.all([killed.acknowledges(400), other.acknowledges(400)])
    killed.child.kill('SIGKILL')
    await once(killed.child, 'close')
    await other.acknowledges(400)
    other.child.stdin?.end()
    const [code] = await once(other.child, 'close')
    t.equal(code, 0, 'the other ended well')
    t.equal(killed.stderr() + other.stderr(), '', 'no lock came to light')

    const store = await open(path)
    t.teardown(() => store.close())
    for (const { lines } of [killed, other]) await checkAcknowledged(t, store, lines)
  },
)

/** Every acknowledged turn is in the store: the last of each worker, and each of the shared one. */
async function checkAcknowledged(t: Tap, store: Store, lines: readonly string[]): Promise<void> {
  const last = new Map<string, number>()
  const shared = await stateOf(store, worker('shared'))
  for (const line of lines) {
    const [key = '', epoch = '', seq] = line.split(' ')
    last.set(key, Number(seq))
    if (key === 'shared' && shared[epoch] === undefined) t.fail(`lost: ${line}`)
  }
  t.ok(last.has('shared') && last.size === 5, 'every worker had acknowledged turns')
  for (const [key, seq] of last) {
    const loaded = await store.load(worker(key))
    t.ok(loaded !== undefined && loaded.seq >= seq, `${key}: ${loaded?.seq} after ${seq}`)
    if (key === 'shared') continue
    t.same(await stateOf(store, worker(key)), { value: `${key} ${loaded?.seq}` })
  }
}

type Tap = Pick<typeof t, 'ok' | 'same' | 'fail'>

interface Hammer {
  readonly child: ChildProcess
  readonly lines: string[]
  stderr(): string
  /** Resolves when so many more lines came; rejects when the process ends before. */
  acknowledges(count: number): Promise<void>
}

function hammer(path: string, node: string): Hammer {
  const file = fileURLToPath(new URL('./hammer.ts', import.meta.url))
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [file, `sqlite:${path}`, node], { env, stdio: 'pipe' })
  const lines: string[] = []
  let rest = ''
  let stderr = ''
  let heard = (): void => undefined
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    heard()
  })
  child.on('close', () => heard())
  return {
    child,
    lines,
    stderr: () => stderr,
    async acknowledges(count) {
      const wanted = lines.length + count
      while (lines.length < wanted) {
        if (child.exitCode !== null) throw new Error(`${node} ended: ${stderr}`)
        await new Promise<void>((resolve) => {
          heard = resolve
        })
      }
    },
  }
}
