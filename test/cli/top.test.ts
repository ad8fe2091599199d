import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { afterKey, keysOf } from '../../src/cli/top/keys.ts'
import { picture, workersShown } from '../../src/cli/top/picture.ts'
import { FIRST_VIEW, type Snapshot, type TopView } from '../../src/cli/top/view.ts'
import { until } from '../helpers/until.ts'
import { aries, cleanEnv } from './aries.ts'
import { CLUSTER, LOAD, STATUS, stubAdmin, WORKERS } from './stub-admin.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url))
const SNAPSHOT: Snapshot = { cluster: CLUSTER, statuses: STATUS, workers: WORKERS }
const SIZE = { columns: 130, rows: 12 }
const PLAIN = { size: SIZE, trouble: undefined, colours: false }

const typed = (text: string, view = FIRST_VIEW): TopView =>
  keysOf(text).reduce((now, key) => afterKey(now, key), view)
const ids = (lines: readonly string[]): string[] =>
  lines.slice(3, -1).map((line) => line.split(' ')[0]!)

t.test('nodes with what they told, and who does not answer', async (t) => {
  const lines = picture(SNAPSHOT, FIRST_VIEW, PLAIN)
  t.equal(lines[0], 'cluster demo: 2 of 3 nodes alive, 8 workers, 0.0 req/s, 1.00 cores used')
  t.match(
    lines[2],
    /^MEMBER▼ +ROLE +STATE +CPU +MEMORY +LAG +REQ\/S +WORKERS +SESSIONS +COST +NEWS/,
  )
  t.strictSame(ids(lines), ['f1', 'n1', 'n2', 'n3'])
  t.match(lines[4], /^n1 +node +alive +0\.50\/2\.0 +200 MB\/2\.0 GB +1\.00 ms +- +2 +12 +3\.123 /)
  t.match(lines[4], /draining\?\[31m$/, 'nothing that steers the terminal')
  t.match(lines[5], /^n2 +node +alive, draining .* does not answer$/)
  t.match(lines.at(-1), /^q quit/)
})

t.test('sorted by what a key says, reversed, filtered', async (t) => {
  const members = ['n1', 'n2', 'n3'].map((id, i) => ({
    ...CLUSTER.members[1]!,
    id,
    workers: [5, 9, 1][i]!,
    load: { ...LOAD, cpu: [0.2, 0.1, 0.9][i]!, lagMs: i },
  }))
  const snapshot = { ...SNAPSHOT, cluster: { ...CLUSTER, members } }
  const shown = (keys: string): string[] => ids(picture(snapshot, typed(keys), PLAIN))
  t.strictSame(shown(''), ['n1', 'n2', 'n3'])
  t.strictSame(shown('c'), ['n3', 'n1', 'n2'])
  t.strictSame(shown('cr'), ['n2', 'n1', 'n3'])
  t.strictSame(shown('w'), ['n2', 'n1', 'n3'])
  t.strictSame(shown('\u001b[C'), shown('c'), 'the next order')
  t.strictSame(shown('\u001b[C\u001b[D'), shown('n'), 'and back')
  t.strictSame(shown('/N2\r'), ['n2'])
  t.strictSame(shown('/nx\u007f3'), ['n3'], 'while it is typed')
  t.strictSame(shown('/n2\u001b'), ['n1', 'n2', 'n3'], 'cleared')
})

t.test('keys', async (t) => {
  t.match(typed('\tm'), { table: 'workers', workerOrder: 'state', nodeOrder: 'name' })
  t.match(typed('\tu\t'), { table: 'nodes', workerOrder: 'queue' })
  t.match(typed('/q '), { ended: false, filter: 'q ', typing: true })
  t.match(typed('/\u001b[Ax'), { filter: 'x' }, 'an arrow is no text')
  t.equal(typed(`/${'x'.repeat(500)}`).filter.length, 200)
  t.match(typed(' '), { paused: true })
  t.match(typed('pp'), { paused: false })
  t.equal(typed('q').ended, true)
  t.equal(typed('/\u0003').ended, true, 'Ctrl-C also while typing')
  t.strictSame(typed('\u0000\u001b[Zé__proto__constructor'.slice(0, 6)), FIRST_VIEW)
})

t.test('workers, and no more lines or columns than there are', async (t) => {
  const view = typed('\ts')
  const lines = picture(SNAPSHOT, view, PLAIN)
  t.match(
    lines[2],
    /^WORKER +NODE +CPU +STATE +MEMORY +TURNS\/S +I\/O +QUEUE +SESSIONS▼ +AGE +NOTE/,
  )
  t.match(lines[3], /^counter\/a%20b%2F%C3%A4 +n2 +5\.0% +12\.3 MB +5\.0 kB +12\.3 /)
  const workers = Array.from({ length: 10_000 }, (_, i) => ({ ...WORKERS[0]!, key: `k${i}` }))
  for (const size of [SIZE, { columns: 20, rows: 5 }, { columns: 1, rows: 1 }]) {
    const small = picture({ ...SNAPSHOT, workers }, view, { ...PLAIN, size })
    t.ok(small.length <= size.rows)
    t.ok(small.every((line) => line.length <= size.columns))
  }
  t.equal(workersShown(SIZE), 8)
  t.match(picture(undefined, view, { ...PLAIN, trouble: 'nobody\nthere' })[1], /^nobody there$/)
})

const ANSWERS = {
  'GET /api/cluster': CLUSTER,
  'GET /api/status': STATUS,
  'GET /api/workers': WORKERS,
} as const

t.test('once, as text and as JSON, and a clear word without a terminal', async (t) => {
  const stub = await stubAdmin(ANSWERS)
  t.teardown(() => stub.close())
  const top = (...args: string[]) => aries(['top', ...args, '--admin', stub.address])
  const once = await top('--once', '--view', 'workers', '--sort', 'queue', '--filter', 'COUNT')
  t.equal(once.code, 0)
  t.match(once.stdout, /^cluster demo: .*\nMEMBER▼ .*\n\nWORKER +NODE /s)
  t.ok(stub.asked.some(({ url }) => url === '/api/workers?limit=20&order=queue&contains=COUNT'))
  t.strictSame(JSON.parse((await top('--json')).stdout), SNAPSHOT)
  const live = await top()
  t.equal(live.code, 1)
  t.match(live.stderr, /needs a terminal; --once prints it once/)
  const wrong = await top('--once', '--sort', 'colour')
  t.match(wrong.stderr, /nodes are sorted by name, cpu, memory/)
})

// util-linux; it gives a command a terminal of its own and passes keys on to it.
const skip = spawnSync('script', ['--version']).status === 0 ? false : 'there is no script(1)'

t.test('live at a terminal, which it gives back', { skip }, async (t) => {
  const stub = await stubAdmin(ANSWERS)
  t.teardown(() => stub.close())
  const command = `stty rows 20 cols 100; stty -g; '${process.execPath}' '${MAIN}' top & pid=$!; echo "pid $pid"; fg >/dev/null 2>&1; echo "code $?"; stty -g`
  const run = (): { child: ReturnType<typeof spawn>; text: () => string } => {
    const child = spawn(
      'script',
      ['-qec', `bash -mc '${command.replaceAll("'", "'\\''")}'`, '/dev/null'],
      {
        env: cleanEnv({ ARIES_ADMIN: stub.address, TERM: 'xterm' }),
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    )
    let text = ''
    child.stdout!.on('data', (part) => {
      text += part
    })
    return { child, text: () => text }
  }
  const settingsOf = (text: string): string[] => text.match(/^[0-9a-f]+(:[0-9a-f]+)+\r?$/gm) ?? []

  await t.test('by keys', async (t) => {
    const { child, text } = run()
    await until('the nodes are shown', () => /n3 +node/.test(text()))
    t.match(text(), '\u001b[?1049h')
    child.stdin!.write('\ts')
    await until('the workers are shown', () => /SESSIONS▼/.test(text()))
    await until('they are asked for in that order, as many as there is room for', () =>
      stub.asked.some(({ url }) => url === '/api/workers?limit=16&order=sessions'),
    )
    child.stdin!.write('q')
    await until('it has ended', () => /code \d+/.test(text()))
    t.match(text(), /code 0/)
    t.match(text(), '\u001b[?7h\u001b[?25h\u001b[?1049l')
    await until('the settings are told', () => settingsOf(text()).length === 2)
    const [before, after] = settingsOf(text())
    t.equal(after, before, 'the terminal is as it was')
    child.stdin!.end()
  })

  await t.test('by a signal', async (t) => {
    const { child, text } = run()
    await until('the nodes are shown', () => /n3 +node/.test(text()))
    process.kill(Number(/pid (\d+)/.exec(text())![1]), 'SIGTERM')
    await until('the settings are told', () => settingsOf(text()).length === 2)
    t.match(text(), '\u001b[?25h\u001b[?1049l')
    const [before, after] = settingsOf(text())
    t.equal(after, before, 'the terminal is as it was')
    child.stdin!.end()
  })
})
