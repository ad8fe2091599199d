import { pathToFileURL } from 'node:url'
import { AriesError, toAriesError } from '../errors.ts'
import type { WorkerClass } from '../worker/worker.ts'

/** Loads the modules of worker classes, each once. */
export class ClassLoader {
  #files: ReadonlyMap<string, string>
  readonly #loaded = new Map<string, Promise<WorkerClass>>()

  constructor(classes: Iterable<readonly [name: string, file: string]>) {
    this.#files = new Map(classes)
  }

  /** Takes another set of classes; what is loaded and still among them stays as it is. */
  declare(classes: Iterable<readonly [name: string, file: string]>): void {
    const before = this.#files
    this.#files = new Map(classes)
    for (const [name, file] of before) {
      if (this.#files.get(name) !== file) this.#loaded.delete(name)
    }
  }

  /** Throws `ARIES_E_CLASS_UNKNOWN`, or `ARIES_E_WORKER_FAILED` when the module does not load. */
  load(name: string): Promise<WorkerClass> {
    let loading = this.#loaded.get(name)
    if (!loading) {
      const file = this.#files.get(name)
      if (file === undefined) {
        const message = `no route declares the worker class "${name}"`
        return Promise.reject(new AriesError('ARIES_E_CLASS_UNKNOWN', message))
      }
      loading = importClass(name, file)
      this.#loaded.set(name, loading)
      loading.catch(() => this.#loaded.delete(name))
    }
    return loading
  }
}

async function importClass(name: string, file: string): Promise<WorkerClass> {
  let module: { default?: unknown }
  try {
    module = (await import(pathToFileURL(file).href)) as { default?: unknown }
  } catch (error) {
    const why = toAriesError(error).message
    throw new AriesError('ARIES_E_WORKER_FAILED', `class ${name} does not load: ${why}`)
  }
  const found = module.default as (new () => { fetch?: unknown }) | undefined
  // Not `instanceof Worker`: an installed package may bring a copy of the base class of its own.
  if (typeof found !== 'function' || typeof found.prototype.fetch !== 'function') {
    throw new AriesError(
      'ARIES_E_WORKER_FAILED',
      `${file} has no worker class as its default export`,
    )
  }
  const loaded = found as unknown as WorkerClass
  checkIdempotency(file, loaded)
  return loaded
}

function checkIdempotency(file: string, { idempotency = {} }: WorkerClass): void {
  for (const name of ['keysMax', 'ageMs'] as const) {
    const limit = idempotency[name]
    if (limit === undefined || (Number.isSafeInteger(limit) && limit > 0)) continue
    throw new AriesError(
      'ARIES_E_WORKER_FAILED',
      `${file}: static idempotency.${name} is not a whole number above 0`,
    )
  }
}
