import { AriesError, toAriesError } from '../errors.ts'
import type { Membership } from '../gossip/types.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Peers } from '../peers.ts'
import type { Decision } from '../placement/types.ts'
import type { MoveReport } from '../rpc.ts'
import type { Affinities } from './affinities.ts'
import type { HostClient } from './host-client.ts'
import type { OpenWorkers } from './open-workers.ts'
import type { Placer } from './placer.ts'

type Target = { readonly node: string; readonly host: string; readonly port: number }

export interface MoverComponents {
  readonly membership: Membership
  readonly open: OpenWorkers
  readonly peers: Peers
  readonly placer: Placer
  readonly affinities: Affinities
  readonly log: Logger
}

export interface MoverInit {
  readonly node: string
  /** Address that the hosts of this node are reached at. */
  readonly address: string
  /** Whether each worker of the class has a host process to itself. */
  readonly isIsolated: (className: string) => boolean
}

export interface MoveCounts {
  readonly done: number
  readonly failed: number
}

/** Moves workers that live on this node: one move of a worker at a time. */
export class Mover {
  readonly #c: MoverComponents
  readonly #init: MoverInit
  readonly #moving = new Map<string, string>()
  #done = 0
  #failed = 0

  constructor(components: MoverComponents, init: MoverInit) {
    this.#c = components
    this.#init = init
  }

  get counts(): MoveCounts {
    return { done: this.#done, failed: this.#failed }
  }

  isMoving(id: WorkerId): boolean {
    return this.#moving.has(formatWorkerId(id))
  }

  /** Names of the workers on their way out. */
  names(): Iterable<string> {
    return this.#moving.keys()
  }

  /** Nodes that workers are on their way to now. */
  targets(): readonly string[] {
    return [...this.#moving.values()]
  }

  /**
   * Throws `ARIES_E_MOVE_REFUSED` before anything happened, `ARIES_E_MOVE_ABORTED` when it was
   * begun and given up: the worker then goes on here.
   */
  async move(id: WorkerId, to: string, decision: Decision): Promise<MoveReport> {
    const target = this.#target(to)
    const why = this.#c.affinities.of(id)?.whyNot?.(to)
    if (why) throw refused(`node ${to} does not take ${id.class}: ${why}`)
    if (!this.#init.isIsolated(id.class)) return this.#run(id, target, decision)
    const { port } = await this.#c.peers.call(to, 'berth', id)
    return this.#run(id, { ...target, port }, decision)
  }

  /** Into another process of this node, which runs newer code. */
  moveInto(host: HostClient, id: WorkerId): Promise<MoveReport> {
    const { node, address } = this.#init
    return this.#run(id, { node, host: address, port: host.port })
  }

  async #run(id: WorkerId, target: Target, decision?: Decision): Promise<MoveReport> {
    const name = formatWorkerId(id)
    const to = target.node
    const source = this.#c.open.get(id)?.host
    if (!source) throw refused(`it is not on ${this.#init.node}`)
    if (this.#moving.has(name)) {
      throw refused(`${name} is already moving to ${this.#moving.get(name)}`)
    }
    this.#moving.set(name, to)
    try {
      const report = await source.move(id, target)
      this.#done++
      if (decision) this.#c.placer.remember(id, decision)
      this.#c.placer.rememberMove(id, report)
      this.#c.log.info(
        {
          worker: name,
          to,
          why: decision?.why ?? 'deploy',
          bytes: report.bytes,
          stallMs: report.stallMs,
        },
        'moved',
      )
      return report
    } catch (error) {
      this.#failed++
      const failure = toAriesError(error).message
      if (decision) this.#c.placer.remember(id, { ...decision, failure })
      this.#c.log.warn({ worker: name, to, err: error }, 'move failed')
      throw error
    } finally {
      this.#moving.delete(name)
    }
  }

  #target(to: string): Target {
    const member = this.#c.membership.member(to)
    if (member?.role !== 'node') {
      const nodes = this.#c.membership.members().filter((m) => m.role === 'node')
      throw new AriesError(
        'ARIES_E_NODE_UNKNOWN',
        `there is no node "${to}"; the map has ${nodes.map((m) => m.id).join(', ')}`,
      )
    }
    if (to === this.#init.node) throw refused(`it is already on ${to}`)
    if (member.state !== 'alive') throw refused(`node ${to} is ${member.state}`)
    if (member.meta.draining) throw refused(`node ${to} is draining`)
    if (member.meta.cordoned) throw refused(`node ${to} is cordoned; see \`aries undrain ${to}\``)
    const port = member.meta.hostPorts[0]
    if (port === undefined) throw refused(`node ${to} has no host process now`)
    return { node: to, host: member.host, port }
  }
}

function refused(why: string): AriesError {
  return new AriesError('ARIES_E_MOVE_REFUSED', why)
}
