import { pathToFileURL } from 'node:url'
import type { ClassConfig } from '../config/schema.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { describeLoadError } from '../load-error.ts'
import type { Logger } from '../log.ts'
import type { WorkerClass } from '../worker/worker.ts'

/** The worker classes of this host: their options, and their modules, each loaded once. */
export class ClassLoader {
  readonly #log: Logger
  #configs: ReadonlyMap<string, ClassConfig>
  readonly #loaded = new Map<string, Promise<WorkerClass>>()
  /** Those of them that are there. */
  readonly #atHand = new Map<string, WorkerClass>()
  /** What was last told of those that do not load: each request of a client tries again. */
  readonly #told = new Map<string, string>()

  constructor(
    components: { readonly log: Logger },
    classes: Iterable<readonly [name: string, config: ClassConfig]>,
  ) {
    this.#log = components.log
    this.#configs = new Map(classes)
  }

  /** Takes another set of classes; what is loaded and still among them stays as it is. */
  declare(classes: Iterable<readonly [name: string, config: ClassConfig]>): void {
    const before = this.#configs
    this.#configs = new Map(classes)
    for (const [name, { file }] of before) {
      if (this.#configs.get(name)?.file === file) continue
      this.#loaded.delete(name)
      this.#atHand.delete(name)
    }
  }

  get configs(): ReadonlyMap<string, ClassConfig> {
    return this.#configs
  }

  /** The class, if it is loaded already. */
  atHand(name: string): WorkerClass | undefined {
    return this.#atHand.get(name)
  }

  /** Throws `ARIES_E_CLASS_UNKNOWN`, or `ARIES_E_WORKER_FAILED` when the module does not load. */
  load(name: string): Promise<WorkerClass> {
    let loading = this.#loaded.get(name)
    if (!loading) {
      const file = this.#configs.get(name)?.file
      if (file === undefined) {
        const message = `no route declares the worker class "${name}"`
        return Promise.reject(new AriesError('ARIES_E_CLASS_UNKNOWN', message))
      }
      loading = importClass(name, file)
      this.#loaded.set(name, loading)
      loading.then(
        (loaded) => {
          if (this.#loaded.get(name) === loading) this.#atHand.set(name, loaded)
        },
        (error: unknown) => {
          this.#loaded.delete(name)
          this.#tell(name, error)
        },
      )
    }
    return loading
  }

  #tell(name: string, error: unknown): void {
    const { message } = toAriesError(error)
    if (this.#told.get(name) === message) return
    this.#told.set(name, message)
    this.#log.error(message)
  }

  /** Loads every class. Throws what is wrong with one that does not load. */
  async loadAll(): Promise<void> {
    await Promise.all(Array.from(this.#configs.keys(), (name) => this.load(name)))
  }
}

async function importClass(name: string, file: string): Promise<WorkerClass> {
  let module: { default?: unknown }
  try {
    module = (await import(pathToFileURL(file).href)) as { default?: unknown }
  } catch (error) {
    const why = await describeLoadError(file, error)
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
  checkVersion(file, loaded)
  checkDurability(file, loaded)
  return loaded
}

function checkDurability(file: string, { durability = 'strict' }: WorkerClass): void {
  if (durability === 'strict' || durability === 'relaxed') return
  throw new AriesError(
    'ARIES_E_WORKER_FAILED',
    `${file}: static durability is neither 'strict' nor 'relaxed'`,
  )
}

function checkVersion(file: string, { version = 1, migrate }: WorkerClass): void {
  const isVersion = Number.isSafeInteger(version) && version > 0
  if (isVersion && (migrate === undefined || typeof migrate === 'function')) return
  throw new AriesError(
    'ARIES_E_WORKER_FAILED',
    isVersion
      ? `${file}: static migrate is not a function`
      : `${file}: static version is not a whole number above 0`,
  )
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
