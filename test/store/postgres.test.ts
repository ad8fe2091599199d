import t from 'tap'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { storeContract } from './contract.ts'

const log = createLogger({ role: 'node', id: 'test' }, 'silent')
const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('PostgreSQL keeps the contract', async (t) => {
  await storeContract(t, { open: () => openStore({ log }, postgres.url) })
})
