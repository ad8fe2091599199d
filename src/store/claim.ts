import type { ClaimRefusal, ClaimRequest, ClaimResult, OwnerRecord } from './store.ts'

/** Why a claim does not hold against the record as it stands; undefined when it does. */
export function refusal(
  request: ClaimRequest,
  owner: OwnerRecord | undefined,
  claimerActive: boolean,
): ClaimRefusal | undefined {
  if (!claimerActive) return 'fenced'
  if ((owner?.epoch ?? 0) !== request.fromEpoch) return 'conflict'
  if (owner === undefined) return undefined
  if (owner.version > (request.classVersion ?? Number.POSITIVE_INFINITY)) return 'class-older'
  if (request.mode === 'handover' || !owner.ownerActive) return undefined
  const itself = owner.node === request.node && owner.incarnation === request.incarnation
  return itself ? undefined : 'owner-active'
}

/** The refused result, with the record when there is one. */
export function refused(reason: ClaimRefusal, owner: OwnerRecord | undefined): ClaimResult {
  return owner === undefined ? { ok: false, reason } : { ok: false, reason, owner }
}
