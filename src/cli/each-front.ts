import { formatAddress } from '../config/address.ts'
import { AriesError } from '../errors.ts'
import { AdminClient, withClient } from './client.ts'
import type { ReadOptions } from './options.ts'

/** Asks every front that is alive, at its own admin port: what one front alone knows. */
export async function eachFront<T>(
  options: ReadOptions,
  ask: (client: AdminClient) => Promise<T>,
): Promise<[front: string, answer: T][]> {
  const { members } = await withClient(options, (client) => client.get('GET /api/cluster'))
  const fronts = members.filter(({ role, state }) => role === 'front' && state === 'alive')
  if (fronts.length === 0) throw new AriesError('ARIES_E_NO_TARGET', 'no front is alive')
  return Promise.all(
    fronts.map(async ({ id, host, adminPort }): Promise<[string, T]> => {
      const client = new AdminClient(formatAddress(host, adminPort))
      try {
        return [id, await ask(client)]
      } finally {
        await client.close()
      }
    }),
  )
}
