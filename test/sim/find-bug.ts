import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'

const REPO = join(import.meta.dirname, '../..')

/** A change to one place of one file that a simulation has to find. */
export interface Bug {
  /** What is wrong then. */
  readonly name: string
  /** Below `src`. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** It is found within so many seeds; `walk`: by the exhaustive walk. */
  readonly seeds: number | 'walk'
  /** The first of them: where it was found last. Another change of the sources moves it. */
  readonly from?: number
}

/** How many times the text to be changed stands in its file: it should be once. */
export function places({ file, find }: Bug): number {
  return readFileSync(join(REPO, 'src', file), 'utf8').split(find).length - 1
}

/** Tries the bugs, two at a time; each has to be reported by a violation that `report` matches. */
export async function findAll(
  t: Test,
  bugs: readonly Bug[],
  init: { readonly area: string; readonly report: RegExp },
): Promise<void> {
  const queue = [...bugs]
  const folder = t.testdir({ a: {}, b: {} })
  const work = async (name: string): Promise<void> => {
    const copy = copySources(join(folder, name))
    for (let bug = queue.shift(); bug; bug = queue.shift()) {
      const violations = await spoilt(copy, bug, () => simulate(copy, bug, init.area))
      const found = violations.find((violation) => init.report.test(violation))
      t.ok(found, `${bug.file}: ${bug.name}`)
      if (found) t.comment(found)
    }
  }
  await Promise.all([work('a'), work('b')])
}

/** A copy of the sources to spoil. */
function copySources(folder: string): string {
  cpSync(join(REPO, 'src'), join(folder, 'src'), { recursive: true })
  cpSync(join(REPO, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(REPO, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Runs while the bug is in the copy. */
async function spoilt<T>(folder: string, bug: Bug, run: () => Promise<T>): Promise<T> {
  const file = join(folder, 'src', bug.file)
  const sound = readFileSync(file, 'utf8')
  writeFileSync(
    file,
    sound.replace(bug.find, () => bug.replace),
  )
  try {
    return await run()
  } finally {
    writeFileSync(file, sound)
  }
}

/** The violations of the first seed that has any; a thread of its own loads the spoilt sources. */
async function simulate(
  folder: string,
  { seeds, from = 1 }: Bug,
  area: string,
): Promise<readonly string[]> {
  if (seeds === 'walk') return walkThrough(folder, area)
  const file = pathToFileURL(join(folder, 'src/sim/seeds.ts')).href
  const { runSeeds } = (await import(file)) as typeof import('../../src/sim/seeds.ts')
  let found: readonly string[] = []
  await runSeeds({ area, quick: false, from, seeds, threads: 1 }, (_seed, { violations }) => {
    found = violations
    return found.length === 0
  })
  return found
}

/** What the walk through the spoilt sources prints. */
async function walkThrough(folder: string, area: string): Promise<readonly string[]> {
  const args = ['src/sim/main.ts', '--area', area, '--exhaustive']
  const env = { ...process.env, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, args, { cwd: folder, env })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  await once(child, 'close')
  return text.split('\n').map((line) => line.trim())
}
