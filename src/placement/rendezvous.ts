/**
 * 32-bit FNV-1a with a final mix, so that names that differ in their last letter differ widely.
 * `seed`: the hash of what stands before `text`.
 */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mixed(hash)
}

/** Two hashes as one that looks like neither. */
export function hashBoth(a: number, b: number): number {
  return mixed(mixed(a ^ 0x9e3779b9) ^ b)
}

function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
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
    const own = hashText(`${idOf(candidate)}\n${name}`)
    if (own <= bestWeight) continue
    best = candidate
    bestWeight = own
  }
  return best
}

/**
 * How much a candidate of that `weight` is wanted by a name: the one that is wanted most gets it, and
 * each gets names in proportion to its weight (weighted rendezvous hashing, Schindelhauer and
 * Schomaker 2005). `hash`: of candidate and name together.
 */
export function wanted(hash: number, weight: number): number {
  return -weight / Math.log((hash + 0.5) / 0x1_0000_0000)
}
