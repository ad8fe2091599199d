import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import { storeContract } from './contract.ts'

const log = createLogger({ role: 'node', id: 'test' }, 'silent')

t.test('SQLite keeps the contract', async (t) => {
  const url = `sqlite:${join(t.testdir(), 'deep', 'er', 'aries.db')}`
  await storeContract(t, { open: () => openStore({ log }, url) })
})
