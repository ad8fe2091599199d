import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** The nearest `config/aries.yaml`, looked for in `folder` and upwards; undefined: there is none. */
export function findConfig(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const file = resolve(at, 'config/aries.yaml')
    if (existsSync(file)) return file
    if (at === dirname(at)) return undefined
  }
}
