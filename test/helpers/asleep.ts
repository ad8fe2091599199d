/** Waiting for workers of a real host process to fall asleep. */
import { formatWorkerId, type WorkerId } from '../../src/identity.ts'
import type { HostProcess } from './host-process.ts'
import { until } from './until.ts'

/** By a report that was made from now on: the second one that comes. */
export async function asleep(host: HostProcess, ...ids: readonly WorkerId[]): Promise<void> {
  let reports = 0
  let last = host.stats
  const sleeps = (id: WorkerId): boolean => host.figures.get(formatWorkerId(id))?.asleep === true
  const isAsleep = (): boolean => {
    if (host.stats !== last) reports++
    last = host.stats
    return reports >= 2 && ids.every(sleeps)
  }
  await until(`asleep: ${ids.map(formatWorkerId).join(' ')}`, isAsleep).catch((error: unknown) => {
    const figures = ids.map((id) => host.figures.get(formatWorkerId(id)))
    throw new Error(JSON.stringify({ reports, gone: host.gone, figures }), { cause: error })
  })
}
