import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version of this Aries, from the package it belongs to (found from `src/` and `dist/src/`). */
export const VERSION: string = findVersion(dirname(fileURLToPath(import.meta.url)))

function findVersion(dir: string): string {
  try {
    const found = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as {
      name?: string
      version?: string
    }
    if (found.name === 'aries' && found.version) return found.version
  } catch {
    // No package.json here: look one level up.
  }
  const parent = dirname(dir)
  return parent === dir ? '0.0.0' : findVersion(parent)
}
