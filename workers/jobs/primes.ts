/** A job: counts the primes below a number, and tells how far it is. `aries run primes.ts 1000000` */
const below = Number(process.argv[2] ?? 1_000_000)
const composite = new Uint8Array(below)
const everyMs = 1_000

let count = 0
let toldMs = performance.now()
for (let n = 2; n < below; n++) {
  if (composite[n]) continue
  count++
  for (let multiple = n * n; multiple < below; multiple += n) composite[multiple] = 1
  if (performance.now() - toldMs > everyMs) {
    toldMs = performance.now()
    process.stderr.write(`${Math.round((100 * n) / below)} %\n`)
  }
}
process.stdout.write(`${count} primes below ${below}\n`)
