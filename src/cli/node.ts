import { nodeEntrySchema } from '../config/schema/map.ts'
import type { NodeEntry } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { runNode } from '../node/run.ts'
import { type MemberOptions, runMember } from './member.ts'

interface NodeOptions extends MemberOptions {
  /** Address from which it joins, with its ports: a node that the map does not have. */
  readonly join?: string
  readonly ports?: string
  readonly speed?: string
}

/** `aries node --id ID`: resolves with the exit code when it has ended. */
export function node(options: NodeOptions): Promise<number> {
  const joining = joiningOf(options)
  return runMember('node', options, (run) => runNode({ ...run, ...(joining && { joining }) }))
}

function joiningOf({ id, join, ports, speed = '1' }: NodeOptions): NodeEntry | undefined {
  if (join === undefined) return undefined
  const [gossip, data, admin, ...more] = (ports ?? '').split(',').map(Number)
  const at = { id, host: join, gossip, data, admin, speed: Number(speed) }
  const entry = nodeEntrySchema.safeParse(at).data
  if (entry && more.length === 0) return entry
  throw new AriesError(
    'ARIES_E_CONFIG',
    '--join needs an address and three ports: --join 10.0.0.9 --ports 7101,7201,7301 (gossip, data, admin)',
  )
}
