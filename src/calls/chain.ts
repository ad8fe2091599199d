/**
 * The workers that wait for a call, outermost first, by `formatWorkerId`: it holds no comma. A turn
 * that waits cannot take another call, so a call that comes back to one of them would never end.
 */
import { CallError } from '../worker/call-error.ts'

/** Longest chain: a deeper one is a recursion, or will soon be too large for a request head. */
export const CHAIN_MAX = 16

export function formatChain(chain: readonly string[]): string {
  return chain.join(',')
}

export function parseChain(text: string | undefined): readonly string[] {
  return text === undefined || text === '' ? [] : text.split(',')
}

/** Throws `ARIES_E_CALL_CYCLE` when a call to `worker` by the last of `chain` may not be made. */
export function checkChain(chain: readonly string[], worker: string): void {
  const isCycle = chain.includes(worker)
  if (!isCycle && chain.length < CHAIN_MAX) return
  const why = isCycle ? `${worker} waits for this call itself` : `${CHAIN_MAX} workers wait already`
  const path = [...chain, worker].join(' → ')
  throw new CallError('ARIES_E_CALL_CYCLE', worker, `${why}: ${path}`)
}
