import type { WorkerId } from '../identity.ts'
import type { ClaimOutcome } from '../move/messages.ts'
import type { Store } from '../store/store.ts'

/** The handover claim of a move, by its target or by a source that takes the worker back. */
export async function claimHandover(
  store: Store,
  id: WorkerId,
  fromEpoch: number,
  by: { readonly node: string; readonly incarnation: number; readonly host: number },
): Promise<ClaimOutcome> {
  try {
    const { node, incarnation, host } = by
    const claim = await store.claim({ id, fromEpoch, node, incarnation, host, mode: 'handover' })
    if (claim.ok) return claim
    if (claim.reason === 'fenced' || !claim.owner) return { ok: false, why: 'fenced' }
    const { node: other, host: process, epoch, seq } = claim.owner
    return { ok: false, why: 'conflict', node: other, host: process, epoch, seq }
  } catch {
    return { ok: false, why: 'unknown' }
  }
}
