/**
 * Notices changed code: the folders that the configured modules stand in, not what they install.
 * What counts is that a file is another one than before, not that the system says something of it.
 */
import { type FSWatcher, watch } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import type { Config } from '../../config/schema.ts'

/** An editor that saves several files is done by then. */
const DEBOUNCE_MS = 200
const CODE = new Set(['.ts', '.mts', '.js', '.mjs', '.json'])

export class CodeWatch {
  readonly #changed: (files: readonly string[]) => void
  #folders: readonly string[] = []
  #watchers: FSWatcher[] = []
  #signs: ReadonlyMap<string, string> = new Map()
  #debounce: NodeJS.Timeout | undefined
  /** The looks at the files, one after another. */
  #looking: Promise<void> = Promise.resolve()
  #closed = false

  /** `changed` hears the files that are new, gone or different. */
  constructor(changed: (files: readonly string[]) => void) {
    this.#changed = changed
  }

  /** Watches for the modules of this configuration, instead of those of one before. */
  async set(config: Pick<Config, 'tasks' | 'classes'>): Promise<void> {
    const classes = Array.from(config.classes.values(), ({ file }) => file)
    const folders = new Set([...config.tasks.values(), ...classes].map((file) => dirname(file)))
    for (const watcher of this.#watchers) watcher.close()
    this.#folders = [...folders].filter((folder) => !folder.includes('/node_modules/'))
    this.#signs = await signsOf(this.#folders)
    if (!this.#closed) this.#watchers = this.#folders.flatMap((folder) => this.#watch(folder))
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#debounce)
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
  }

  #watch(folder: string): FSWatcher[] {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || CODE.has(extname(name))) this.#soon()
      })
      // The folder went away, or the system has no watches left.
      watcher.on('error', () => watcher.close())
      return [watcher]
    } catch {
      return []
    }
  }

  #soon(): void {
    clearTimeout(this.#debounce)
    this.#debounce = setTimeout(() => {
      this.#looking = this.#looking.then(() => this.#look())
    }, DEBOUNCE_MS)
    this.#debounce.unref()
  }

  async #look(): Promise<void> {
    const before = this.#signs
    const now = await signsOf(this.#folders)
    if (this.#closed) return
    this.#signs = now
    const files = new Set([...before.keys(), ...now.keys()])
    const changed = [...files].filter((file) => before.get(file) !== now.get(file))
    if (changed.length > 0) this.#changed(changed)
  }
}

async function signsOf(folders: readonly string[]): Promise<Map<string, string>> {
  const signs = new Map<string, string>()
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!CODE.has(extname(name))) continue
      const file = join(folder, name)
      const found = await stat(file).catch(() => undefined)
      if (found) signs.set(file, `${found.ino} ${found.size} ${found.mtimeMs}`)
    }
  }
  return signs
}
