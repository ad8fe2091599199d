import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { createLogger } from '../../src/log.ts'
import { ALARM_SECTION } from '../../src/store/alarm.ts'
import { openStore } from '../../src/store/open.ts'
import { MIGRATIONS } from '../../src/store/sqlite/schema.ts'
import type { Store } from '../../src/store/store.ts'
import { storeContract } from './contract.ts'
import { LEASE_MS } from './helpers.ts'

const log = createLogger({ role: 'node', id: 'test' }, 'silent')
const open = (path: string): Promise<Store> => openStore({ log }, `sqlite:${path}`)

t.test('SQLite keeps the contract', async (t) => {
  const path = join(t.testdir(), 'made', 'when missing', 'aries.db')
  await storeContract(t, { open: () => open(path) })
})

t.test('a path that is none is a fault of the configuration', async (t) => {
  for (const path of ['', 'relative.db', './relative.db', ':memory:', '/', '/dir/', '/nul\0']) {
    await t.rejects(open(path), { code: 'ARIES_E_CONFIG' }, JSON.stringify(path))
  }
  await t.rejects(openStore({ log }, 'mysql://u:secret@h/d'), {
    code: 'ARIES_E_CONFIG',
    message: /^store: "mysql:" is not a known kind((?!secret).)*$/,
  })
})

t.test('what cannot be opened says why', async (t) => {
  const dir = t.testdir({ 'text.db': 'not a database, but long enough to be one'.repeat(100) })
  await t.rejects(open(join(dir, 'text.db')), {
    code: 'ARIES_E_STORE',
    message: /text\.db: file is not a database/,
  })
  await t.rejects(open(join(dir, 'text.db', 'below.db')), {
    code: 'ARIES_E_STORE',
    message: /text\.db cannot be a folder: there is a file/,
  })
})

t.test('a schema newer than the code is refused and left alone', async (t) => {
  const path = join(t.testdir(), 'aries.db')
  await (await open(path)).close()
  const db = new DatabaseSync(path)
  t.teardown(() => db.close())
  db.exec("UPDATE aries_meta SET value = '99'")
  await t.rejects(open(path), { code: 'ARIES_E_STORE_NEWER', message: /version 99.*newer Aries/ })
  t.match(db.prepare('SELECT value FROM aries_meta').get(), { value: '99' })
})

t.test('a file of the first version is brought up to date', async (t) => {
  const path = join(t.testdir(), 'aries.db')
  const db = new DatabaseSync(path)
  t.teardown(() => db.close())
  db.exec(`CREATE TABLE aries_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO aries_meta VALUES ('schema', '1'); ${MIGRATIONS[0]};
    INSERT INTO aries_workers (class, key, node, incarnation, epoch, seq)
    VALUES ('counter', 'written', 'n1', 1, 1, 3), ('counter', 'empty', 'n1', 1, 1, 0)`)
  const store = await open(path)
  t.teardown(() => store.close())
  const schema = String(MIGRATIONS.length)
  t.match(db.prepare('SELECT value FROM aries_meta').get(), { value: schema })
  t.match(await store.owner({ class: 'counter', key: 'written' }), { seq: 3, version: 1 })
  t.match(await store.owner({ class: 'counter', key: 'empty' }), { seq: 0, version: 0 })
  const plan = db
    .prepare(
      `EXPLAIN QUERY PLAN SELECT worker FROM aries_sections
       WHERE name = '${ALARM_SECTION}' AND value >= ? AND value < ? ORDER BY value`,
    )
    .all('', '')
  t.match(plan, [{ detail: /USING (COVERING )?INDEX aries_alarms/ }])
})

t.test('many open a new file at once', async (t) => {
  const path = join(t.testdir(), 'aries.db')
  const stores = await Promise.all(Array.from({ length: 6 }, () => open(path)))
  const incarnations = await Promise.all(stores.map((store) => store.register('n1', LEASE_MS)))
  t.same(new Set(incarnations), new Set([1, 2, 3, 4, 5, 6]))
  await Promise.all(stores.map((store) => store.close()))
  t.notOk(existsSync(`${path}-wal`), 'the log is merged when the last one closes')
})
