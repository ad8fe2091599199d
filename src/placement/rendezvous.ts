/** 32-bit FNV-1a with a final mix, so that names that differ in their last letter differ widely. */
function weight(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/**
 * The candidate that everybody who knows the same candidates picks for `name`; when one goes, only
 * what it had goes to others (rendezvous hashing, Thaler and Ravishankar 1998).
 */
export function rendezvous<T>(
  name: string,
  candidates: Iterable<T>,
  idOf: (candidate: T) => string,
): T | undefined {
  let best: T | undefined
  let bestWeight = -1
  for (const candidate of candidates) {
    const own = weight(`${idOf(candidate)}\n${name}`)
    if (own <= bestWeight) continue
    best = candidate
    bestWeight = own
  }
  return best
}
