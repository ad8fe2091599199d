import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Peers } from '../peers.ts'
import type { RecoverReport } from '../rpc.ts'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../store/checkpoint.ts'
import { FROZEN_SECTION } from '../store/frozen.ts'
import type { ClaimRequest, OwnerRecord, Store } from '../store/store.ts'
import type { Clock } from '../world.ts'
import type { Hosts } from './hosts.ts'
import type { OpenWorkers } from './open-workers.ts'
import type { Ownership } from './ownership.ts'
import type { RpcFiles } from './rpc-server.ts'

export interface RecoveryComponents {
  readonly store: Store
  readonly ownership: Ownership
  readonly open: OpenWorkers
  readonly hosts: Hosts
  readonly peers: Peers
}

export interface RecoveryInit {
  readonly node: string
  /** 0 while this node may own nothing. */
  readonly incarnation: () => number
  /** Why this node takes no workers now; undefined when it does. */
  readonly refusal: () => string | undefined
}

/** Copies of workers' committed states out of the store, and back into it. */
export class Recovery {
  readonly #c: RecoveryComponents
  readonly #init: RecoveryInit

  constructor(components: RecoveryComponents, init: RecoveryInit) {
    this.#c = components
    this.#init = init
  }

  /** The file of a worker, as of its last committed turn. Throws `ARIES_E_WORKER_UNKNOWN`. */
  async checkpoint(id: WorkerId, takenAt: string): Promise<Iterable<Uint8Array>> {
    const loaded = await this.#c.store.load(id)
    if (loaded) return encodeCheckpoint(id, loaded, takenAt)
    throw new AriesError('ARIES_E_WORKER_UNKNOWN', `the store has no worker ${formatWorkerId(id)}`)
  }

  /**
   * Makes `saved` the state of the worker, under a new epoch: whoever had it open can write no more.
   * Throws `ARIES_E_WORKER_EXISTS` when it has a state and `replace` is not set.
   */
  async recover(id: WorkerId, saved: Checkpoint, replace: boolean): Promise<RecoverReport> {
    const { store, ownership, hosts } = this.#c
    const incarnation = this.#init.incarnation()
    const host = await hosts.for(id)
    const refusal = this.#init.refusal()
    if (incarnation === 0 || !host || refusal) {
      throw new AriesError('ARIES_E_NO_TARGET', refusal ?? `node ${this.#init.node} is not ready`)
    }
    if ((await host.classVersion(id.class)) < saved.version) {
      throw new AriesError(
        'ARIES_E_CLASS_OLDER',
        `the checkpoint is of version ${saved.version} of its class, newer than that of ${this.#init.node}`,
      )
    }
    let before: OwnerRecord | undefined
    const epoch = await ownership.whileClosed(id, async () => {
      before = await store.owner(id)
      if (before && before.seq > 0 && !replace) {
        throw new AriesError(
          'ARIES_E_WORKER_EXISTS',
          `${formatWorkerId(id)} has a state already; --replace puts the checkpoint in its place`,
        )
      }
      const fromEpoch = before?.epoch ?? 0
      return this.#write(id, saved, { incarnation, fromEpoch })
    })
    const untold = before && (await this.#tell(before, epoch))
    return { ...id, seq: saved.seq, version: saved.version, epoch, ...(untold ? { untold } : {}) }
  }

  /** Drops the worker if it is open on this node under an older epoch. */
  async forget(id: WorkerId, epoch: number): Promise<void> {
    const { ownership, open } = this.#c
    await ownership.whileClosed(id, async () => open.get(id)?.host.forget(id, epoch))
  }

  /** Claims the worker and writes its state; gives the new epoch. */
  async #write(
    id: WorkerId,
    saved: Checkpoint,
    by: Pick<ClaimRequest, 'incarnation' | 'fromEpoch'>,
  ): Promise<number> {
    const { store, open } = this.#c
    const { node } = this.#init
    // Not a takeover: that its owner may live is the point.
    // For no host: one that a move has just made claim the worker would take this claim for its own,
    // and go on with the state that is being replaced.
    const claim = await store.claim({ id, node, ...by, host: 0, mode: 'handover' })
    if (!claim.ok) throw changedHands(id)
    const { epoch } = claim
    // Until it is known how the commit went, the worker must not go on under this epoch.
    open.spend(id, epoch)
    const names = new Set(saved.sections.map(({ name }) => name))
    const loaded = await store.load(id)
    const remove = (loaded?.sections ?? [])
      .map(({ name }) => name)
      .filter((name) => name !== FROZEN_SECTION && !names.has(name))
    const { sections: set, version } = saved
    const record = { id, epoch, seq: claim.seq + 1, set, remove, version }
    const [result] = await store.commit(node, by.incarnation, [record])
    if (result !== 'ok') throw changedHands(id)
    return epoch
  }

  /** Has the owner of before drop what it has open. The node's id when it does not answer. */
  async #tell(before: OwnerRecord, epoch: number): Promise<string | undefined> {
    const { node, ownerActive, id } = before
    if (!ownerActive) return undefined
    try {
      if (node === this.#init.node) await this.forget(id, epoch)
      else await this.#c.peers.call(node, 'forget', { ...id, epoch })
      return undefined
    } catch {
      return node
    }
  }
}

/** What the data port answers about checkpoints. */
export function recoveryFiles(recovery: Recovery, clock: Clock): RpcFiles {
  return {
    checkpoint: (id) => recovery.checkpoint(id, new Date(clock.wallMs()).toISOString()),
    recover: async (id, file, replace) => recovery.recover(id, decodeCheckpoint(file), replace),
  }
}

function changedHands(id: WorkerId): AriesError {
  return new AriesError(
    'ARIES_E_FENCED',
    `${formatWorkerId(id)} changed hands at the same moment; nothing was written`,
  )
}
