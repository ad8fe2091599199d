import { isDeepStrictEqual } from 'node:util'
import type { Config } from './schema.ts'

/** What a running member does not take over from a changed configuration. */
const AT_START = {
  node: ['store', 'gossip', 'pool', 'host', 'calls', 'move', 'jobs', 'log'],
  front: ['gossip', 'log'],
} as const satisfies Record<string, readonly (keyof Config)[]>

/**
 * The note for `aries status` when something was changed that only a restart brings into force;
 * undefined when everything is in force.
 */
export function restartNote(
  role: 'node' | 'front',
  id: string,
  started: Config,
  current: Config,
): string | undefined {
  const entry = ({ map }: Config): unknown =>
    (role === 'node' ? map.nodes : map.fronts).find((member) => member.id === id)
  const changed: string[] = AT_START[role].filter(
    (name) => !isDeepStrictEqual(atStart(started, name), atStart(current, name)),
  )
  if ((started.keys.length === 0) !== (current.keys.length === 0)) changed.push('key')
  if (role === 'front' && started.front.shards !== current.front.shards) {
    changed.push('front.shards')
  }
  if (!isDeepStrictEqual(entry(started), entry(current))) changed.push('its entry in the map')
  if (changed.length === 0) return undefined
  return `changed in the configuration, in force after a restart of this ${role}: ${changed.join(', ')}`
}

/** The part of a section that is read once. */
function atStart(config: Config, name: keyof Config): unknown {
  if (name !== 'host') return config[name]
  // These are the defaults of every class, and classes change while they run.
  const { queueMax: _, requestTimeoutMs: __, ...rest } = config.host
  return rest
}
