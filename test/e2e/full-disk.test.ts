/**
 * A real small file system, in a mount namespace of its own, that ends with the processes in it.
 * Where the system does not let this be made the test says so and does nothing.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const MOUNT = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
const POST = { method: 'POST' }
const disk = process.env['ARIES_TEST_SMALL_DISK']

/** How this user may mount something that nobody else sees; undefined: not at all. */
function mountable(folder: string): readonly string[] | undefined {
  const ways = [['--mount'], ['--map-root-user', '--mount']]
  return ways.find((way) => {
    const made = spawnSync('unshare', [...way, 'sh', '-c', MOUNT, folder, 'true'])
    return made.status === 0
  })
}

if (disk === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'aries-disk-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const way = mountable(folder)
  const skip = 'this user may not mount a small file system'
  if (!way) t.test('a full disk', { skip }, async () => undefined)
  else {
    const self = [process.execPath, fileURLToPath(import.meta.url)]
    t.spawn('unshare', [...way, 'sh', '-c', MOUNT, folder, ...self], {
      env: { ...process.env, NODE_OPTIONS: '', ARIES_TEST_SMALL_DISK: folder },
    })
  }
} else {
  t.test(
    'a full disk: writes are told so, nothing acknowledged is lost, it comes back',
    async (t) => fillAndFree(t, disk),
  )
}

async function fillAndFree(t: Test, folder: string): Promise<void> {
  const store = `sqlite:${join(folder, 'aries.db')}`
  const cluster = await TestCluster.start({
    nodes: 1,
    store,
    config: { front: { ownerTimeoutMs: 1_000 } },
  })
  t.teardown(() => cluster.stop())
  const url = `${cluster.url}/counter/a`
  let acknowledged = 0
  let unknown = 0
  const post = async (): Promise<{ status: number; code: string | undefined }> => {
    const response = await fetch(url, POST)
    const body = (await response.json()) as { value: number; error?: { code: string } }
    if (response.status === 200) {
      acknowledged++
      t.ok(body.value >= acknowledged && body.value <= acknowledged + unknown, 'counted once each')
    }
    if (body.error?.code === 'ARIES_E_OUTCOME_UNKNOWN') unknown++
    return { status: response.status, code: body.error?.code }
  }
  for (let i = 0; i < 5; i++) t.equal((await post()).status, 200)

  const ballast = join(folder, 'ballast')
  fill(ballast)
  const codes = new Set<string | undefined>()
  await until('a write is refused for the store', async () => {
    const { code } = await post()
    if (code) codes.add(code)
    return code === 'ARIES_E_STORE'
  })
  const told = ['ARIES_E_STORE', 'ARIES_E_OUTCOME_UNKNOWN']
  t.same(
    [...codes].filter((code) => !told.includes(code!)),
    [],
  )
  t.match(cluster.logs(200), /database or disk is full/, 'the log says what it is')
  rmSync(ballast)
  await until('writes go on', async () => (await post()).status === 200)
  const { value } = (await (await fetch(url)).json()) as { value: number }
  t.ok(value >= acknowledged && value <= acknowledged + unknown, `${value} of ${acknowledged}`)
  if (!t.passing()) t.comment(cluster.logs())
}

/** Takes every byte that is left. */
function fill(file: string): void {
  const fd = openSync(file, 'w')
  try {
    for (let bytes = 65_536; bytes >= 1; bytes = bytes > 4_096 ? bytes / 2 : 0) {
      try {
        for (;;) writeSync(fd, Buffer.alloc(bytes))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
  } finally {
    closeSync(fd)
  }
}
