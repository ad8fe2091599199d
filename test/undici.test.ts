/** The parts that `src/undici.ts` takes out of undici are those that its index gives. */
import t from 'tap'
import * as undici from 'undici'
import { Agent, H2CClient, Pool } from '../src/undici.ts'

t.test('the parts are those of the index', async (t) => {
  t.equal(Agent, undici.Agent)
  t.equal(Pool, undici.Pool)
  t.equal(H2CClient, undici.H2CClient)
})
