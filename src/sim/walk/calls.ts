/** What the store does with a call, in the small case. */
import type { ClaimOutcome } from '../../move/messages.ts'
import type { Call, Name, Request, WalkState } from './state.ts'

type Store = WalkState['store']

/** Does the call; the violation that shows when it is done, if any. */
export function doCall(store: Store, call: Call): string | undefined {
  const isActive = store.active[call.by] === call.incarnation
  const isMine = store.node === call.by && store.incarnation === call.incarnation
  if (call.what === 'commit') {
    const isNext = call.seq === store.log.length + 1 && call.epoch === store.epoch
    call.result = isActive && isMine && isNext ? 'ok' : 'fenced'
    return call.result === 'ok' ? append(store, call.request!, call.by) : undefined
  }
  const ownerLives = store.active[store.node] === store.incarnation
  call.seen = { node: store.node, epoch: store.epoch, seq: store.log.length }
  if (!isActive) call.result = 'fenced'
  else if (call.epoch !== store.epoch) call.result = 'conflict'
  else if (call.what === 'takeover' && ownerLives && !isMine) call.result = 'conflict'
  else {
    call.result = 'ok'
    store.node = call.by
    store.incarnation = call.incarnation
    store.epoch++
    call.seen = { node: call.by, epoch: store.epoch, seq: store.log.length }
  }
  return undefined
}

function append({ log }: Store, request: Request, by: Name): string | undefined {
  const isKnown = log.some((entry) => entry.request === request)
  log.push({ request, by })
  return isKnown ? `I5 NoDuplicateEffect: ${request} is applied twice` : undefined
}

/** How a claim went, as a core hears of it. */
export function outcomeOf({ result, seen: { epoch, seq, node } }: Call): ClaimOutcome {
  if (result === 'fenced') return { ok: false, why: 'fenced' }
  if (result === 'ok') return { ok: true, epoch, seq }
  return { ok: false, why: 'conflict', node, host: 1, epoch, seq }
}
