import { writeKeyFile } from './config/keys.ts'
import type { Config } from './config/schema.ts'
import { AriesError } from './errors.ts'
import { keyId, obey, openOrder } from './keys.ts'
import type { Logger } from './log.ts'
import type { Clock } from './world.ts'

/** A changed file is noticed by then, and its keys are taken to every process. */
const IN_FORCE_TIMEOUT_MS = 30_000

export interface KeysInfo {
  readonly id: string
  /** Ids of the keys: the first seals and is shown, all are accepted. */
  readonly accepts: readonly string[]
  /** They come from a key file, which `aries keys` may change. */
  readonly file: boolean
  /** Gossip packets that came in, by the id of the key that they were sealed with. */
  readonly opened: Readonly<Record<string, number>>
}

export interface KeyRingComponents {
  readonly log: Logger
  readonly clock: Clock
  /** Resolves when every part and process of this member uses these. */
  readonly apply: (keys: readonly string[]) => Promise<void>
  readonly opened: () => ReadonlyMap<string, number>
}

/** The keys that this member uses. They change with the configuration: an order changes the file. */
export class KeyRing {
  readonly #c: KeyRingComponents
  readonly #id: string
  #config: Config
  #keys: readonly string[]
  #applying: Promise<void> = Promise.resolve()
  #changed = Promise.withResolvers<void>()

  constructor(components: KeyRingComponents, init: { id: string; config: Config }) {
    this.#c = components
    this.#id = init.id
    this.#config = init.config
    this.#keys = init.config.keys
  }

  /** Those in force: the first is shown, all are accepted; none: everyone is let in. */
  get keys(): readonly string[] {
    return this.#keys
  }

  get info(): KeysInfo {
    const accepts = this.#keys.map(keyId)
    const file = this.#config.keyFile !== undefined
    return { id: this.#id, accepts, file, opened: Object.fromEntries(this.#c.opened()) }
  }

  /** Takes the keys of a changed configuration; to have some instead of none takes a restart. */
  setConfig(config: Config): Promise<void> {
    this.#config = config
    const { keys } = config
    if ((keys.length === 0) === (this.#keys.length === 0)) {
      this.#applying = this.#applying.then(() => this.#apply(keys))
    }
    return this.#applying
  }

  /**
   * Does what `aries keys` wants; resolves when it is in force. Throws `ARIES_E_UNAUTHORIZED`,
   * `ARIES_E_KEYS` when it cannot be done, `ARIES_E_TIMEOUT`.
   */
  async order(sealed: string): Promise<KeysInfo> {
    const order = openOrder(this.#keys, sealed)
    if (order?.member !== this.#id) {
      throw new AriesError('ARIES_E_UNAUTHORIZED', `it was not sealed for ${this.#id} with its key`)
    }
    const wanted = obey(this.#keys, order)
    if (typeof wanted === 'string') throw new AriesError('ARIES_E_KEYS', `${this.#id}: ${wanted}`)
    if (same(wanted, this.#keys)) return this.info
    const { keyFile } = this.#config
    if (keyFile === undefined) {
      throw new AriesError('ARIES_E_KEYS', `${this.#id} has its key in the configuration`)
    }
    if (!same(order.has, this.#keys.map(keyId))) {
      throw new AriesError('ARIES_E_KEYS', `${this.#id} has other keys by now`)
    }
    await writeKeyFile(keyFile, wanted)
    await this.#inForce(wanted)
    return this.info
  }

  async #apply(keys: readonly string[]): Promise<void> {
    if (same(keys, this.#keys)) return
    try {
      await this.#c.apply(keys)
      this.#keys = keys
      this.#c.log.info({ keyIds: keys.map(keyId) }, 'the keys have changed')
    } catch (error) {
      this.#c.log.error({ err: error }, 'the changed keys did not take effect')
    }
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }

  async #inForce(wanted: readonly string[]): Promise<void> {
    let late = false
    const limit = this.#c.clock.after(IN_FORCE_TIMEOUT_MS, () => {
      late = true
      this.#changed.resolve()
    })
    while (!same(wanted, this.#keys) && !late) await this.#changed.promise
    limit.cancel()
    if (late) throw new AriesError('ARIES_E_TIMEOUT', `${this.#id} has not taken the keys yet`)
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i])
}
