import { otherMapNote } from '../config/map.ts'
import { restartNote } from '../config/restart.ts'
import type { Config } from '../config/schema.ts'
import type { GossipDriver } from '../gossip/types.ts'
import type { Jobs } from '../jobs/jobs.ts'
import type { NodeStatusInfo } from '../rpc.ts'
import { VERSION } from '../version.ts'
import type { Admission } from './admission.ts'
import type { Children } from './children.ts'
import type { Deploy } from './deploy.ts'
import type { HostWatch } from './host-watch.ts'
import type { Lease } from './lease.ts'

interface Parts {
  readonly lease: Lease
  readonly children: Children
  readonly jobs: Jobs
  readonly watch: HostWatch
  readonly deploy: Deploy
  readonly admission: Admission
  readonly gossip: GossipDriver
}

interface Facts {
  readonly id: string
  readonly uptimeMs: number
  readonly config: {
    readonly started: Config
    readonly current: Config
    /** Why a changed configuration was refused. */
    readonly refused: string | undefined
  }
}

/** What a node says of itself: whether it is ready, and what an operator should know. */
export function nodeStatus(parts: Parts, { id, uptimeMs, config }: Facts): NodeStatusInfo {
  const { lease, children, jobs, watch, admission } = parts
  return {
    id,
    role: 'node',
    version: VERSION,
    pid: process.pid,
    uptimeMs: Math.round(uptimeMs),
    ready:
      !admission.stopping &&
      !admission.draining &&
      lease.incarnation !== 0 &&
      lease.trouble === undefined &&
      children.notes.length === 0 &&
      watch.note === undefined &&
      admission.minority() === undefined &&
      admission.otherMap() === undefined,
    notes: notesOf(parts, id, config),
    mapEpoch: config.current.map.epoch,
    requestsPerSecond: children.requestsPerSecond,
    processes: [...children.infos, ...jobs.infos],
  }
}

function notesOf(parts: Parts, id: string, config: Facts['config']): string[] {
  const { lease, children, watch, deploy, admission, gossip } = parts
  const notes = config.refused === undefined ? [] : [config.refused]
  const restart = restartNote('node', id, config.started, config.current)
  if (restart) notes.push(restart)
  if (lease.trouble) notes.push(`the store does not answer: ${lease.trouble}`)
  notes.push(...children.notes)
  if (watch.note) notes.push(watch.note)
  if (deploy.note) notes.push(deploy.note)
  if (admission.draining) notes.push('draining')
  if (admission.cordoned) notes.push('cordoned')
  const minority = admission.minority()
  if (minority) notes.push(`${minority}: it takes no new workers and serves those that it has`)
  const { others } = gossip.mapCensus()
  if (others.length > 0) notes.push(otherMapNote(others, config.current.map))
  if (admission.otherMap()) notes.push('it takes no new workers until the maps are the same')
  return notes
}
