import type { Config } from '../config/schema.ts'
import { AriesError, toAriesError } from '../errors.ts'
import type { MemberState, Membership } from '../gossip/types.ts'
import type { LastTurn } from '../host/ipc.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { isRefused, type Peers } from '../peers.ts'
import type { Decision } from '../placement/types.ts'
import type { ClaimRequest, OwnerRecord, Store } from '../store/store.ts'
import type { OwnerAddress } from '../wire.ts'
import { sleep, type World } from '../world.ts'
import { FailoverTimes } from './failover-times.ts'
import type { HostClient } from './host-client.ts'
import type { Hosts } from './hosts.ts'
import { LastWord } from './last-word.ts'
import type { OpenEntry, OpenWorkers } from './open-workers.ts'
import type { Placer } from './placer.ts'
import {
  busy,
  classOlder,
  isClosed,
  isOlder,
  mayPass,
  NoNewerClass,
  notOwner,
  type Search,
  whyNone,
} from './search.ts'

/** How long `resolve` looks for an owner before it gives up; the front asks again. */
const RESOLVE_TIMEOUT_MS = 5_000
/** Between two looks at the same, not yet settled, situation. */
const RETRY_MS = 25
const OPEN_MAX = 1_000_000

export interface OwnershipComponents {
  readonly store: Store
  readonly membership: Membership
  readonly peers: Peers
  readonly hosts: Hosts
  readonly open: OpenWorkers
  readonly placer: Placer
  readonly log: Logger
  readonly world: World
}

export interface OwnershipInit {
  readonly node: string
  /** Address that others reach the host process at. */
  readonly address: string
  /** Incarnation of this node; 0 while it may own nothing. */
  readonly incarnation: () => number
  /** Why this node does not take the worker now; undefined when it does. */
  readonly refusal: (id: WorkerId) => string | undefined
  readonly classes: () => Config['classes']
  /** This call evicted the node: the rest of its workers wants new owners. */
  readonly evicted: (node: string) => void
}

/**
 * Who owns a worker, and how it gets an owner: see "Ownership" in docs/ARCHITECTURE.md. The store
 * decides every race; everything here may be repeated.
 */
export class Ownership {
  readonly #c: OwnershipComponents
  readonly #init: OwnershipInit
  readonly #lastWord: LastWord
  readonly #opening = new Map<string, Promise<OwnerAddress>>()
  readonly #resolving = new Map<string, Promise<OwnerAddress>>()
  /** Since when gossip suspects a node. */
  readonly #suspectedMs = new Map<string, number>()
  readonly times = new FailoverTimes()
  readonly #evicting = new Map<string, Promise<void>>()

  constructor(components: OwnershipComponents, init: OwnershipInit) {
    this.#c = components
    this.#init = init
    this.#lastWord = new LastWord(components)
  }

  /**
   * The address of the owner; places, claims and opens the worker when it has none. `suspect` is
   * an owner that the caller could not reach: it is not answered again unchecked.
   */
  resolve(id: WorkerId, suspect?: { node: string; epoch: number }): Promise<OwnerAddress> {
    const name = formatWorkerId(id)
    if (!this.#init.classes().has(id.class)) {
      return Promise.reject(
        new AriesError('ARIES_E_CLASS_UNKNOWN', `no route declares the worker class "${id.class}"`),
      )
    }
    const local = this.#c.open.get(id)
    if (local && !suspect && local.host.port !== 0) {
      return Promise.resolve(this.#address(local))
    }
    let resolving = this.#resolving.get(name)
    if (!resolving) {
      resolving = this.#resolve(id).finally(() => this.#resolving.delete(name))
      this.#resolving.set(name, resolving)
    }
    return resolving
  }

  async #resolve(id: WorkerId): Promise<OwnerAddress> {
    const { clock } = this.#c.world
    const untilMs = clock.nowMs() + RESOLVE_TIMEOUT_MS
    const search: Search = { refused: new Map(), older: new Map() }
    let last: unknown
    while (clock.nowMs() < untilMs) {
      const record = await this.#c.store.owner(id)
      try {
        if (record && (await this.#lives(record))) return await this.#askOwner(id, record, search)
        return await this.#place(id, record, search)
      } catch (error) {
        if (!mayPass(error)) throw error
        last = error
      }
      await sleep(clock, RETRY_MS)
    }
    throw last instanceof AriesError
      ? last
      : new AriesError('ARIES_E_NO_TARGET', `no node could take ${formatWorkerId(id)}`)
  }

  /** True while the record's owner may still be serving. Evicts it when it is found dead. */
  async #lives(record: OwnerRecord): Promise<boolean> {
    if (!record.ownerActive) return false
    if (record.node === this.#init.node) return true
    const member = this.#c.membership.member(record.node)
    if (member && member.state !== 'unreachable' && member.state !== 'left') return true
    if (member && (await this.#lastWord.spoken(member.id))) return true
    await this.evict(record.node, record.incarnation)
    return false
  }

  /** News of gossip. A node that is suspected is asked for its last word, which decides later. */
  noticed(node: string, state: MemberState): void {
    if (state === 'alive') this.#suspectedMs.delete(node)
    if (state !== 'suspect') return
    this.#suspectedMs.set(node, this.#c.world.clock.nowMs())
    void this.#lastWord.spoken(node)
  }

  /** Evicts a node that gossip calls unreachable, unless it still answers. */
  async evictUnreachable(node: string): Promise<void> {
    const member = this.#c.membership.member(node)
    if (!member || (await this.#lastWord.spoken(member.id))) return
    // It may have come back meanwhile, under a new incarnation.
    if (this.#c.membership.member(node)?.state !== 'unreachable') return
    const record = (await this.#c.store.nodes()).find((n) => n.id === node)
    if (record?.status === 'active') await this.evict(node, record.incarnation)
  }

  /**
   * Ends a dead node's incarnation in the store, unless this node's own is over: whose network was
   * cut thinks that all others are dead. Only one caller of all is told to clean up. All workers of
   * the node are asked for at once: the store is asked once.
   */
  evict(node: string, incarnation: number): Promise<void> {
    const name = `${node} ${incarnation}`
    let evicting = this.#evicting.get(name)
    if (!evicting) {
      evicting = this.#evict(node, incarnation).finally(() => this.#evicting.delete(name))
      this.#evicting.set(name, evicting)
    }
    return evicting
  }

  async #evict(node: string, incarnation: number): Promise<void> {
    const by = { node: this.#init.node, incarnation: this.#init.incarnation() }
    if (by.incarnation === 0) throw busy('this node is not registered in the store')
    const { nowMs } = this.#c.world.clock
    const askedMs = nowMs()
    const did = await this.#c.store.evict(node, incarnation, by)
    if (!did) return
    const detectMs = askedMs - (this.#suspectedMs.get(node) ?? askedMs)
    const evictMs = nowMs() - askedMs
    this.times.add('detect', detectMs)
    this.times.add('evict', evictMs)
    this.#c.log.warn({ node, incarnation, detectMs, evictMs }, 'evicted a dead node')
    this.#init.evicted(node)
  }

  async #askOwner(id: WorkerId, record: OwnerRecord, search: Search): Promise<OwnerAddress> {
    try {
      if (record.node === this.#init.node) return await this.activate(id)
      return await this.#c.peers.call(record.node, 'activate', id, { whileReachable: true })
    } catch (error) {
      if (isOlder(error)) {
        // It cannot open what it owns, and has let go of that epoch: any other node may have it.
        search.older.set(record.node, error)
        search.refused.set(record.node, error.message)
        return this.#place(id, record, search, record.epoch)
      }
      // Nobody listens where the owner was: its process is gone, and with it what it owned.
      if (!isRefused(error)) throw error
      await this.evict(record.node, record.incarnation)
      return this.#place(id, record, search)
    }
  }

  async #place(
    id: WorkerId,
    record: OwnerRecord | undefined,
    search: Search,
    handOver?: number,
  ): Promise<OwnerAddress> {
    const { refused } = search
    await this.#c.placer.prepare(id)
    const decision =
      record && handOver === undefined
        ? this.#c.placer.failover(id, record.node, refused)
        : this.#c.placer.place(id, record ? 'failover' : 'create', refused)
    if (decision.chosen === undefined) {
      if (isClosed(decision)) {
        throw new AriesError(
          'ARIES_E_NO_NODE',
          `no node takes ${formatWorkerId(id)} (${whyNone(decision)})`,
        )
      }
      const [older] = search.older.values()
      if (older && search.older.size === refused.size) throw new NoNewerClass(older)
      search.older.clear()
      refused.clear()
      throw new AriesError(
        'ARIES_E_NO_TARGET',
        `no node can take ${formatWorkerId(id)} now (${whyNone(decision)})`,
      )
    }
    try {
      return await this.activateAt(id, decision, refused, handOver)
    } catch (error) {
      if (isOlder(error)) search.older.set(decision.chosen, error)
      throw error
    }
  }

  /** Has the chosen node claim and open the worker. A node that will not goes into `refused`. */
  async activateAt(
    id: WorkerId,
    decision: Decision,
    refused: Map<string, string> = new Map(),
    handOver?: number,
  ): Promise<OwnerAddress> {
    const node = decision.chosen!
    try {
      if (node === this.#init.node) return await this.activate(id, decision, handOver)
      const given = handOver === undefined ? {} : { handOver }
      const params = { ...id, decision, ...given }
      return await this.#c.peers.call(node, 'activate', params, { whileReachable: true })
    } catch (error) {
      const known = toAriesError(error)
      if (known.code !== 'ARIES_E_NOT_OWNER') refused.set(node, known.message)
      throw error
    }
  }

  /**
   * Opens the worker on this node, claiming it when it has no living owner. Throws
   * `ARIES_E_NOT_OWNER` when another node owns it, `ARIES_E_NO_TARGET` when this one takes none,
   * `ARIES_E_CLASS_OLDER` when its state is newer than the class here. `handOver`: the epoch of a
   * living owner that gives it up.
   */
  activate(id: WorkerId, decision?: Decision, handOver?: number): Promise<OwnerAddress> {
    const name = formatWorkerId(id)
    const open = this.#c.open.get(id)
    if (open && open.host.port !== 0) return Promise.resolve(this.#address(open))
    let opening = this.#opening.get(name)
    if (!opening) {
      opening = this.#activate(id, decision, handOver).finally(() => this.#opening.delete(name))
      this.#opening.set(name, opening)
    }
    return opening
  }

  /** Does `work` while nobody opens the worker on this node; who asks for it meanwhile asks again. */
  async whileClosed<T>(id: WorkerId, work: () => Promise<T>): Promise<T> {
    const name = formatWorkerId(id)
    for (let opening = this.#opening.get(name); opening; opening = this.#opening.get(name)) {
      await opening.catch(() => undefined)
    }
    const working = work()
    const closed = working.then(() => {
      throw busy(`${name} was written anew`)
    })
    const opening = closed.finally(() => this.#opening.delete(name))
    opening.catch(() => undefined)
    this.#opening.set(name, opening)
    return working
  }

  async #activate(
    id: WorkerId,
    decision: Decision | undefined,
    handOver: number | undefined,
  ): Promise<OwnerAddress> {
    const incarnation = this.#init.incarnation()
    if (incarnation === 0) throw busy('this node is not registered in the store')
    if (this.#c.open.count >= OPEN_MAX) throw busy(`this node has ${OPEN_MAX} workers`)
    // Whoever has just looked and found no owner need not be doubted: the claim finds out.
    const record = decision?.why === 'create' ? undefined : await this.#c.store.owner(id)
    const mine = record?.node === this.#init.node
    const given = record !== undefined && record.epoch === handOver
    if (record?.ownerActive && !mine && !given) throw notOwner(id, record.node)
    // What this incarnation owns already, only it can open: also while it drains.
    const refusal = mine && record.ownerActive ? undefined : this.#init.refusal(id)
    if (refusal) throw busy(refusal)
    const host = await this.#hostFor(id, mine && record.ownerActive ? record : undefined)
    const mode = given ? 'handover' : 'takeover'
    const { nowMs } = this.#c.world.clock
    const beganMs = nowMs()
    const { epoch, from } = await this.#epochToOpen(id, record, host, { incarnation, mode })
    const claimedMs = nowMs()
    try {
      await host.open(id, epoch, from)
    } catch (error) {
      // Whoever has newer code may claim it from this epoch: it is not opened under it any more.
      if (isOlder(error)) this.#c.open.spend(id, epoch)
      throw error
    }
    this.#c.open.opened(host, id, epoch)
    if (decision) this.#c.placer.remember(id, decision)
    const [claimMs, openMs] = [claimedMs - beganMs, nowMs() - claimedMs]
    this.#c.log.debug(
      { worker: formatWorkerId(id), epoch, host: host.id, claimMs, openMs },
      'opened',
    )
    if (record && mode === 'takeover' && epoch > record.epoch) {
      this.times.add('claim', claimMs)
      this.times.add('open', openMs)
    }
    const open = this.#c.open.get(id)
    if (!open) throw busy('the host process has ended')
    return this.#address(open)
  }

  /**
   * The epoch that this node owns the worker under: a new one, if it has to be claimed; and then,
   * where the last owner left it (epoch 0: there was none).
   */
  async #epochToOpen(
    id: WorkerId,
    record: OwnerRecord | undefined,
    host: HostClient,
    by: Pick<ClaimRequest, 'incarnation' | 'mode'>,
  ): Promise<{ epoch: number; from?: LastTurn }> {
    const isMine = record?.ownerActive && record.node === this.#init.node
    if (isMine && this.#c.open.mayOpen(host, record)) return { epoch: record.epoch }
    const claim = await this.#c.store.claim({
      id,
      fromEpoch: record?.epoch ?? 0,
      node: this.#init.node,
      ...by,
      host: host.id,
      classVersion: await host.classVersion(id.class),
    })
    if (!claim.ok) {
      throw claim.reason === 'class-older'
        ? classOlder(id, this.#init.node)
        : notOwner(id, claim.owner?.node)
    }
    this.#c.open.claimed(id)
    const { epoch, seq } = claim
    return { epoch, from: { epoch: record?.epoch ?? 0, seq } }
  }

  /** The process to open it in: the one that it was claimed for, if that may still have it. */
  async #hostFor(id: WorkerId, record: OwnerRecord | undefined): Promise<HostClient> {
    const claimed = record && this.#c.hosts.get(record.host)
    const mayHaveIt = claimed && !claimed.retiring && this.#c.open.mayOpen(claimed, record)
    const host = mayHaveIt ? claimed : await this.#c.hosts.for(id)
    if (!host) throw busy('the host process is restarting')
    return host
  }

  #address({ epoch, host }: OpenEntry): OwnerAddress {
    return { node: this.#init.node, host: this.#init.address, port: host.port, epoch }
  }
}
