import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterMember } from '../admin/api.ts'
import { formatAddress } from '../config/address.ts'
import { AriesError } from '../errors.ts'
import { type AdminClient, withClient } from './client.ts'
import { withProgress } from './progress.ts'

const POLL_MS = 50
/** From the new process that serves until it has the admin port and is ready. */
const READY_TIMEOUT_MS = 30_000

/**
 * Has a new process take the place of a front, which is asked at its own admin port; resolves with
 * the id of the process when that is ready. Throws `ARIES_E_NOT_REPLACED` with the reason.
 */
export function restartFront({ id, host, adminPort }: ClusterMember): Promise<number> {
  return withClient({ admin: formatAddress(host, adminPort) }, async (client) => {
    const { pid } = await withProgress(
      async () => `${id} is replaced`,
      () => client.post('POST /api/fronts/{id}/restart', { id }),
    )
    await untilReady(client, id, pid)
    return pid
  })
}

async function untilReady(client: AdminClient, id: string, pid: number): Promise<void> {
  const untilMs = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < untilMs) {
    // Nobody has the admin port for a moment.
    const statuses = await client.get('GET /api/status').catch(() => [])
    const self = statuses.find((status) => status.id === id)
    if (self?.pid === pid && self.ready) return
    const failure = self?.notes.find((note) => note.startsWith('the front was not replaced'))
    if (failure !== undefined) throw new AriesError('ARIES_E_NOT_REPLACED', failure)
    await sleep(POLL_MS)
  }
  throw new AriesError(
    'ARIES_E_NOT_REPLACED',
    `process ${pid} serves, but was not ready after ${READY_TIMEOUT_MS / 1_000} s; see its log`,
  )
}
