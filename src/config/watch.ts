/**
 * Notices changes of the configuration and the map. Editors replace files instead of writing into
 * them, so the folders are watched; some file systems and some ways of replacing (a swapped
 * symbolic link) send no event, so the files are also looked at every few seconds.
 */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type AriesError, toAriesError } from '../errors.ts'
import { fileSign } from '../file-sign.ts'
import { loadConfig } from './load.ts'
import { mapRefusal } from './map.ts'
import { Problems } from './problems.ts'
import type { Config } from './schema.ts'

/** An editor's truncate, write and rename are over by then. */
const DEBOUNCE_MS = 100
const POLL_MS = 2_000

export interface ConfigHandlers {
  /** Both files are valid and differ from what was in force (or were refused before). */
  onChange(config: Config): void
  /** The files are not valid; the old configuration stays in force. */
  onRefused(error: AriesError): void
}

export interface ConfigWatch {
  close(): void
}

export interface WatchOptions {
  /** The map to use instead of the one that the configuration names. */
  readonly mapFile?: string
  readonly pollMs?: number
}

/** Watches the files that `current` came from, and delivers what replaces it, whole. */
export function watchConfig(
  current: Config,
  handlers: ConfigHandlers,
  options: WatchOptions = {},
): ConfigWatch {
  const watcher = new ConfigWatcher(current, handlers, options)
  watcher.start()
  return watcher
}

class ConfigWatcher implements ConfigWatch {
  #current: Config
  #refused: string | undefined
  #seen = ''
  #checking = false
  #again = false
  #closed = false
  #debounce: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  #folders: FSWatcher[] = []
  readonly #handlers: ConfigHandlers
  readonly #options: WatchOptions

  constructor(current: Config, handlers: ConfigHandlers, options: WatchOptions) {
    this.#current = current
    this.#handlers = handlers
    this.#options = options
  }

  start(): void {
    this.#watchFolders()
    this.#poll = setInterval(() => void this.#lookAtFiles(), this.#options.pollMs ?? POLL_MS)
    this.#poll.unref()
    // The files may have changed since they were loaded.
    void this.#lookAtFiles()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#debounce)
    clearInterval(this.#poll)
    for (const folder of this.#folders) folder.close()
    this.#folders = []
  }

  #watchFolders(): void {
    for (const folder of this.#folders) folder.close()
    const files = filesOf(this.#current)
    const folders = new Set(files.map((file) => dirname(file)))
    const names = new Set(files.map((file) => basename(file)))
    this.#folders = [...folders].flatMap((folder) => {
      try {
        const watcher = watch(folder, { persistent: false }, (_event, name) => {
          if (name === null || names.has(name)) this.#soon()
        })
        // The folder went away, or the system has no watches left: the poll goes on.
        watcher.on('error', () => watcher.close())
        return [watcher]
      } catch {
        return []
      }
    })
  }

  async #lookAtFiles(): Promise<void> {
    const signs = await Promise.all(filesOf(this.#current).map(fileSign))
    const seen = signs.join('\n')
    if (seen === this.#seen) return
    this.#seen = seen
    this.#soon()
  }

  #soon(): void {
    if (this.#closed) return
    clearTimeout(this.#debounce)
    this.#debounce = setTimeout(() => void this.#check(), DEBOUNCE_MS)
    this.#debounce.unref()
  }

  async #check(): Promise<void> {
    if (this.#checking) {
      this.#again = true
      return
    }
    this.#checking = true
    try {
      await this.#load()
    } finally {
      this.#checking = false
    }
    if (this.#again && !this.#closed) {
      this.#again = false
      this.#soon()
    }
  }

  async #load(): Promise<void> {
    let config: Config
    try {
      const { mapFile } = this.#options
      config = await loadConfig(this.#current.file, mapFile === undefined ? {} : { mapFile })
      refuseMap(this.#current, config)
    } catch (thrown) {
      this.#refuse(toAriesError(thrown, 'ARIES_E_CONFIG'))
      return
    }
    if (this.#closed) return
    const repaired = this.#refused !== undefined
    this.#refused = undefined
    if (!repaired && asText(config) === asText(this.#current)) return
    const moved = filesOf(config).join() !== filesOf(this.#current).join()
    this.#current = config
    if (moved) this.#watchFolders()
    this.#handlers.onChange(config)
  }

  #refuse(error: AriesError): void {
    if (this.#closed || error.message === this.#refused) return
    this.#refused = error.message
    this.#handlers.onRefused(error)
  }
}

function filesOf({ file, mapFile, keyFile }: Config): string[] {
  return keyFile === undefined ? [file, mapFile] : [file, mapFile, keyFile]
}

function refuseMap(before: Config, after: Config): void {
  const words = mapRefusal(before.map, after.map)
  if (words === undefined) return
  const problems = new Problems(after.mapFile)
  problems.addAt(after.mapFile, undefined, words)
  throw problems.toError()
}

function asText(config: Config): string {
  return JSON.stringify({ ...config, tasks: [...config.tasks], classes: [...config.classes] })
}
