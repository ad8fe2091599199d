import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../src/store/sqlite/database.ts'
import { inTransaction } from '../../src/store/sqlite/lock.ts'

t.test('what need not wait for the disk does not, and what comes after it does', async (t) => {
  const db = openDatabase(join(t.testdir(), 'aries.db'))
  t.teardown(() => db.close())
  /** 1: NORMAL, 2: FULL; https://www.sqlite.org/pragma.html#pragma_synchronous. */
  const level = (): unknown => db.prepare('PRAGMA synchronous').get()?.['synchronous']
  t.equal(inTransaction(db, level), 2)
  t.equal(inTransaction(db, level, false), 1)
  t.equal(inTransaction(db, level), 2)
  const fails = (): void => {
    throw new Error('as asked')
  }
  t.throws(() => inTransaction(db, fails, false), /as asked/)
  t.equal(inTransaction(db, level), 2)
})
