import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Place } from './member-table.ts'

/** Who is at which address: the map has host names or addresses, datagrams have addresses. */
export class AddressBook {
  readonly #family: 4 | 6
  #places: readonly Place[] = []
  /** Host name → address that it had when it was last looked up. */
  readonly #found = new Map<string, string>()
  readonly #addresses = new Map<string, string>()
  readonly #ids = new Map<string, string>()
  readonly #known = new Set<string>()

  constructor(init: { family: 4 | 6 }) {
    this.#family = init.family
  }

  /** Takes these places and no others. Names that are new are known after `lookUp`. */
  set(places: readonly Place[]): void {
    this.#places = places
    this.#index()
  }

  /** Looks the names up; one that has no address now keeps the last one it had. */
  async lookUp(): Promise<void> {
    const names = new Set(this.#places.map(({ host }) => host).filter((host) => isIP(host) === 0))
    await Promise.all([...names].map((name) => this.#resolve(name)))
    for (const name of this.#found.keys()) if (!names.has(name)) this.#found.delete(name)
    this.#index()
  }

  addressOf(id: string): string | undefined {
    return this.#addresses.get(id)
  }

  /** True when the member is at this address, by whatever port. */
  isAt(id: string, address: string): boolean {
    return this.#addresses.get(id) === address
  }

  idAt(address: string, port: number): string | undefined {
    return this.#ids.get(`${address} ${port}`)
  }

  /** Whether any of them is at that address. */
  has(address: string): boolean {
    return this.#known.has(address)
  }

  #index(): void {
    this.#addresses.clear()
    this.#ids.clear()
    this.#known.clear()
    for (const { id, host, gossipPort } of this.#places) {
      const address = isIP(host) === 0 ? this.#found.get(host) : host
      if (address === undefined) continue
      this.#addresses.set(id, address)
      this.#known.add(address)
      this.#ids.set(`${address} ${gossipPort}`, id)
    }
  }

  async #resolve(name: string): Promise<void> {
    try {
      const { address } = await lookup(name, { family: this.#family })
      this.#found.set(name, address)
    } catch {
      // A name server that is away for a while must not cost us the cluster.
    }
  }
}
