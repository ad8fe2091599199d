import type { PoolClient } from 'pg'
import { AriesError } from '../../errors.ts'
import { checkSchema } from '../check.ts'
import { MIGRATIONS } from './schema.ts'
import type { Row } from './session.ts'

/** Any number of our own: whoever migrates the schema holds the advisory lock of that number. */
const MIGRATION_LOCK = 4_127_431_537
const SERVER_VERSION_MIN = 150_000

/** Brings the schema up to date, once, whoever else opens the store at the same time. */
export async function migrate(client: PoolClient): Promise<void> {
  await checkServer(client)
  await client.query('BEGIN')
  await client.query({ text: 'SELECT pg_advisory_xact_lock($1)', values: [MIGRATION_LOCK] })
  const version = await schemaVersion(client)
  checkSchema(version, MIGRATIONS.length)
  if (version < MIGRATIONS.length) {
    for (const step of MIGRATIONS.slice(version)) await client.query(step)
    await client.query({
      text: `INSERT INTO aries_meta VALUES ('schema', $1)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      values: [String(MIGRATIONS.length)],
    })
  }
  await client.query('COMMIT')
}

async function schemaVersion(client: PoolClient): Promise<number> {
  const { rows: found } = await client.query<Row>("SELECT to_regclass('aries_meta') AS meta")
  if (found[0]?.['meta'] === null) {
    await client.query('CREATE TABLE aries_meta (name text PRIMARY KEY, value text NOT NULL)')
  }
  const { rows } = await client.query<Row>("SELECT value FROM aries_meta WHERE name = 'schema'")
  return Number(rows[0]?.['value'] ?? 0)
}

async function checkServer(client: PoolClient): Promise<void> {
  const { rows } = await client.query<Row>(
    `SELECT current_setting('server_encoding') AS encoding,
      current_setting('server_version_num')::int AS version`,
  )
  const { encoding, version } = rows[0] ?? {}
  if (Number(version) < SERVER_VERSION_MIN) refuse('the server is older than PostgreSQL 15')
  if (encoding !== 'UTF8') refuse(`the database has the encoding ${encoding}; Aries needs UTF8`)
}

function refuse(message: string): never {
  throw new AriesError('ARIES_E_STORE', message)
}
