import { readdirSync, readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Test } from 'tap'
import { type Random, randomInt, seededRandom } from '../../src/world.ts'
import { until } from '../helpers/until.ts'

/** Another seed finds other things: `ARIES_FUZZ_SEED=7`. What it finds goes into `corpus/`. */
const SEED = Number(process.env['ARIES_FUZZ_SEED'] ?? 1)
const ROUNDS = Number(process.env['ARIES_FUZZ_ROUNDS'] ?? 3_000)
/** More than what a decoder of a few kilobytes may come to hold, or to ask for at once. */
const GROWTH_BYTES_MAX = 24 * 1024 * 1024
const PEAK_KILOBYTES_MAX = 160 * 1024

const CORPUS = new URL('corpus/', import.meta.url)
/** Lengths and counts at the ends of their ranges. */
const EDGES = [0, 1, 0x7f, 0x80, 0xbf, 0xc1, 0xdc, 0xdd, 0xde, 0xdf, 0xfe, 0xff]

export interface FuzzTarget {
  /** Of its files in `corpus/`: `name-….hex`. */
  readonly name: string
  /** Whole and right ones, to be damaged. */
  readonly valid: readonly Buffer[]
  /** Decodes; throws what it may not throw. */
  readonly decode: (bytes: Buffer) => void
}

/**
 * Hands `decode` what was found before, damaged messages and random bytes. It must return, without
 * holding more memory afterwards or asking for much in between.
 */
export async function fuzz(t: Test, { name, valid, decode }: FuzzTarget): Promise<void> {
  const attempt = (bytes: Buffer, what: string): void => {
    try {
      decode(bytes)
    } catch (error) {
      t.fail(`${what}: ${bytes.toString('hex').slice(0, 400)}`, { error })
    }
  }
  for (const bytes of valid) attempt(bytes, 'a right one')
  for (const { file, bytes } of corpusOf(name)) attempt(bytes, file)
  const random = seededRandom(SEED)
  const heldBefore = heldBytes()
  const peakBefore = process.resourceUsage().maxRSS
  for (let round = 0; round < ROUNDS && t.passing(); round++) {
    attempt(damaged(random, valid), `seed ${SEED}, round ${round}`)
  }
  // What was collected is given back by another thread, a moment later.
  await until('it holds no more than before', () => heldBytes() - heldBefore < GROWTH_BYTES_MAX)
  const peak = process.resourceUsage().maxRSS - peakBefore
  if (peak > PEAK_KILOBYTES_MAX) t.fail(`${name} asked for ${peak} KB`)
  t.pass(`${name}: ${ROUNDS} rounds`)
}

function corpusOf(name: string): { file: string; bytes: Buffer }[] {
  const files = readdirSync(CORPUS).filter((file) => file.startsWith(`${name}-`))
  return files.map((file) => {
    const hex = readFileSync(new URL(file, CORPUS), 'utf8').replace(/#.*|\s/g, '')
    return { file, bytes: Buffer.from(hex, 'hex') }
  })
}

export function damaged(random: Random, valid: readonly Buffer[]): Buffer {
  if (randomInt(random, 8) === 0) return randomBytes(random, randomInt(random, 600))
  let bytes: Buffer = Buffer.from(valid[randomInt(random, valid.length)]!)
  for (let hits = 1 + randomInt(random, 4); hits > 0; hits--) {
    bytes = DAMAGES[randomInt(random, DAMAGES.length)]!(random, bytes, valid)
  }
  return bytes
}

type Damage = (random: Random, bytes: Buffer, valid: readonly Buffer[]) => Buffer

const DAMAGES: readonly Damage[] = [
  (random, bytes) => set(bytes, randomInt(random, bytes.length), randomInt(random, 256)),
  (random, bytes) => {
    const at = randomInt(random, bytes.length)
    return set(bytes, at, (bytes[at] ?? 0) ^ (1 << randomInt(random, 8)))
  },
  (random, bytes) => {
    const edge = EDGES[randomInt(random, EDGES.length)]!
    const at = randomInt(random, bytes.length)
    for (let i = at; i < at + 1 + randomInt(random, 5); i++) set(bytes, i, edge)
    return bytes
  },
  (random, bytes) => bytes.subarray(0, randomInt(random, bytes.length + 1)),
  (random, bytes) => {
    const at = randomInt(random, bytes.length + 1)
    const added = randomBytes(random, 1 + randomInt(random, 16))
    return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)])
  },
  (random, bytes) => {
    const [from, to] = [randomInt(random, bytes.length + 1), randomInt(random, bytes.length + 1)]
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  (random, bytes, valid) => {
    const other = valid[randomInt(random, valid.length)]!
    const at = randomInt(random, bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), other.subarray(randomInt(random, other.length))])
  },
]

function set(bytes: Buffer, at: number, value: number): Buffer {
  if (at < bytes.length) bytes[at] = value
  return bytes
}

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => randomInt(random, 256)))
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
