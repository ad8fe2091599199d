const LIMIT_DEFAULT = 1_000_000
const LIMIT_MAX = 10_000_000

/** `GET /primes?limit=N`: how many primes there are up to N, 1,000,000 when it is not given. */
export default function primes(request: Request): Response {
  const given = new URL(request.url).searchParams.get('limit')
  const limit = given === null ? LIMIT_DEFAULT : wholeNumber(given)
  if (limit === undefined || limit > LIMIT_MAX) {
    const error = `limit must be a whole number from 0 to ${LIMIT_MAX}`
    return Response.json({ error, given: given?.slice(0, 100) }, { status: 400 })
  }
  return Response.json({ limit, count: countPrimes(limit) })
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Sieve of Eratosthenes over the odd numbers: a byte for each, 5 MB at most. */
function countPrimes(limit: number): number {
  if (limit < 2) return 0
  // Index i stands for 2i + 1; index 0 stands for 2, the only even prime, instead of 1.
  const size = Math.floor((limit + 1) / 2)
  const composite = new Uint8Array(size)
  let count = 1
  for (let i = 1; i < size; i++) {
    if (composite[i] === 1) continue
    count++
    const prime = 2 * i + 1
    for (let j = (prime * prime - 1) / 2; j < size; j += prime) composite[j] = 1
  }
  return count
}
