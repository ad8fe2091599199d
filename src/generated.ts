/** Files in the repository that are written by a program, and held up to date by a test. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'

export interface GeneratedFile {
  readonly file: string
  readonly text: string
}

/** Those files whose content is not what it should be. */
export function outdated(files: readonly GeneratedFile[]): string[] {
  return files.filter(({ file, text }) => current(file) !== text).map(({ file }) => file)
}

/** Writes the files, or with `--check` exits with 1 when one of them is not up to date. */
export function runGenerator(files: readonly GeneratedFile[], args: readonly string[]): void {
  const old = outdated(files)
  for (const file of old) console.log(`${relative(process.cwd(), file)} is not up to date`)
  if (args.includes('--check')) {
    process.exitCode = old.length > 0 ? 1 : 0
    return
  }
  for (const { file, text } of files) {
    if (!old.includes(file)) continue
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

function current(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
