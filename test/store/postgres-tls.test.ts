import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import t from 'tap'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { LEASE_MS } from './helpers.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
const text = (name: string): string => readFileSync(fixture(name), 'utf8')
const log = createLogger({ role: 'node', id: 'test' }, 'silent')

// The certificate is for `localhost`, by an authority that nobody knows, until the year 2126.
const postgres = await startPostgres({
  tls: { certificate: text('server.pem'), key: text('server.key') },
})
t.teardown(() => postgres.stop())

function urlOf(host: string, parameters: Record<string, string>): string {
  const url = new URL(postgres.url)
  url.hostname = host
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** Of the connections of stores: how many there are, and how many with TLS. */
async function connections(): Promise<{ all: number; encrypted: number }> {
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  const { rows } = await client.query(
    `SELECT count(*)::int AS all, (count(*) FILTER (WHERE ssl))::int AS encrypted
     FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'aries'`,
  )
  await client.end()
  return rows[0]
}

t.test('with TLS as the url says', async (t) => {
  const root = { sslrootcert: fixture('ca.pem') }
  const works: [string, string, Record<string, string>, boolean][] = [
    ['no mode', '127.0.0.1', {}, false],
    ['disable', '127.0.0.1', { sslmode: 'disable' }, false],
    ['require looks at no name', '127.0.0.1', { sslmode: 'require' }, true],
    ['verify-full', 'localhost', { sslmode: 'verify-full', ...root }, true],
  ]
  for (const [what, host, parameters, encrypted] of works) {
    const store = await openStore({ log }, urlOf(host, parameters))
    t.ok(await store.register('n1', LEASE_MS), what)
    const seen = await connections()
    t.ok(seen.all > 0)
    t.equal(seen.encrypted, encrypted ? seen.all : 0, what)
    await store.close()
  }
})

t.test('a server that is not who it should be is refused', async (t) => {
  const strict = { sslmode: 'verify-full' }
  await t.rejects(openStore({ log }, urlOf('localhost', strict)), {
    code: 'ARIES_E_STORE',
    message: /certificate/,
  })
  const root = { sslrootcert: fixture('ca.pem') }
  await t.rejects(openStore({ log }, urlOf('127.0.0.1', { ...strict, ...root })), {
    code: 'ARIES_E_STORE',
    message: /does not match certificate/,
  })
})

t.test('parameters that cannot be meant are faults of the configuration', async (t) => {
  const wrong: Record<string, Record<string, string>> = {
    'sslmode is one of disable, require, verify-full': { sslmode: 'prefer' },
    'sslrootcert is for `sslmode=verify-full`': { sslmode: 'require', sslrootcert: '/x' },
    'sslrootcert is an absolute path': { sslmode: 'verify-full', sslrootcert: 'ca.pem' },
    'sslrootcert cannot be read': { sslmode: 'verify-full', sslrootcert: '/no/such.pem' },
    'holds no certificate': { sslmode: 'verify-full', sslrootcert: fixture('server.key') },
    'connections is a whole number from 2 to 100': { connections: '1' },
    'statementTimeoutMs is a whole number': { statementTimeoutMs: '1e3' },
  }
  for (const [message, parameters] of Object.entries(wrong)) {
    const error: Error = await openStore({ log }, urlOf('localhost', parameters)).then(
      () => new Error('opened'),
      (thrown) => thrown,
    )
    t.match(error, { code: 'ARIES_E_CONFIG' }, message)
    t.ok(error.message.includes(message), error.message)
    t.notMatch(`${error.stack}`, new URL(postgres.url).password)
  }
})

t.test('connections and the time of statements have the limits of the url', async (t) => {
  const url = urlOf('127.0.0.1', { connections: '2', statementTimeoutMs: '300' })
  const store = await openStore({ log }, url)
  t.teardown(() => store.close())
  const admin = new pg.Client({ connectionString: postgres.url })
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query('BEGIN; LOCK TABLE aries_nodes')
  const asked = Array.from({ length: 6 }, () => store.nodes())
  const results = await Promise.allSettled(asked)
  for (const result of results) {
    t.match(result, { status: 'rejected', reason: { code: 'ARIES_E_STORE' } })
    t.match((result as PromiseRejectedResult).reason.message, /statement timeout|connection/)
  }
  t.ok((await connections()).all <= 2)
  await admin.query('ROLLBACK')
  t.ok(await store.nodes(), 'it goes on')
})
