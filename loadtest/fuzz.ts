/**
 * `npm run fuzz`: the fuzz tests with one seed after the other, for as long as is wanted. Stops at the
 * first that fails and says how to see it again; what it found belongs into the corpus.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { wholeNumber } from './options.ts'
import { progress } from './report.ts'

/** Tests that take `ARIES_FUZZ_SEED` and `ARIES_FUZZ_ROUNDS`, and how many rounds are a turn. */
const TESTS = [
  ['test/http1/fuzz.test.ts', 100_000],
  ['test/front/http1/differential.test.ts', 3_000],
  ['test/fuzz/decoders.test.ts', 20_000],
] as const
const ROOT = fileURLToPath(new URL('../', import.meta.url))

async function turn(file: string, seed: number, rounds: number): Promise<boolean> {
  const child = spawn(process.execPath, [file], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ARIES_FUZZ_SEED: String(seed), ARIES_FUZZ_ROUNDS: String(rounds) },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === 0) return true
  process.stdout.write(output)
  progress(`failed: ARIES_FUZZ_SEED=${seed} ARIES_FUZZ_ROUNDS=${rounds} node ${file}`)
  return false
}

await new Command('fuzz')
  .description('Run the fuzz tests with new seeds until the time is over or one fails.')
  .option('--minutes <n>', 'how long', wholeNumber, 10)
  .option('--seed <n>', 'the first seed', wholeNumber, Date.now() % 1_000_000_000)
  .action(async ({ minutes, seed }: { minutes: number; seed: number }) => {
    const endMs = performance.now() + minutes * 60_000
    for (let next = seed; performance.now() < endMs; next++) {
      for (const [file, rounds] of TESTS) {
        if (!(await turn(file, next, rounds))) {
          process.exitCode = 1
          return
        }
      }
      progress(`seed ${next}: nothing found`)
    }
  })
  .parseAsync()
