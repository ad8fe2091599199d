import type { Logger } from '../../log.ts'
import type { Gossip } from '../gossip.ts'
import type { LoadVector, MapCensus, Member } from '../types.ts'
import { type FromThread, sharedMs, type ToldChange } from './messages.ts'

/** Loads are told so often at most; changes of members at once. */
const LOADS_INTERVAL_MS = 50

/** Tells the process what its gossip thread hears. */
export class Reporter {
  readonly #gossip: Gossip
  readonly #log: Logger
  readonly #post: (message: FromThread) => void
  readonly #unsubscribe: () => void
  /** The load that was told last of each member. */
  readonly #told = new Map<string, LoadVector>()
  #changes: ToldChange[] = []
  #conflict = ''
  #timer: NodeJS.Timeout | undefined

  constructor(components: {
    gossip: Gossip
    log: Logger
    post: (message: FromThread) => void
  }) {
    this.#gossip = components.gossip
    this.#log = components.log
    this.#post = components.post
    this.#unsubscribe = this.#gossip.onChange(({ member, before }) => {
      const isGone = this.#gossip.member(member.id) === undefined
      if (isGone) this.#told.delete(member.id)
      if (this.#changes.length === 0) queueMicrotask(() => this.#report([]))
      this.#changes.push({ member, before, isGone })
    })
  }

  start(): void {
    this.#timer = setInterval(() => this.#report(this.#newLoads()), LOADS_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#unsubscribe()
    this.#report([])
  }

  #report(loads: readonly Pick<Member, 'id' | 'load' | 'loadAgeMs'>[]): void {
    const changes = this.#changes
    this.#changes = []
    const { counts } = this.#gossip
    const opened = this.#gossip.openedByKey()
    const mapCensus = this.#gossip.mapCensus()
    this.#warn(mapCensus)
    this.#post({ type: 'news', atMs: sharedMs(), changes, loads, counts, opened, mapCensus })
  }

  /** That two maps have one epoch is told once, and when it is over. */
  #warn({ others }: MapCensus): void {
    const members = others.join(', ')
    if (members === this.#conflict) return
    this.#conflict = members
    if (members === '') this.#log.info('no other map under the same epoch any more')
    else this.#log.error({ members }, 'these members hold another map under the same epoch')
  }

  #newLoads(): Pick<Member, 'id' | 'load' | 'loadAgeMs'>[] {
    const loads: Pick<Member, 'id' | 'load' | 'loadAgeMs'>[] = []
    for (const { id, load, loadAgeMs } of this.#gossip.members()) {
      if (!load || this.#told.get(id) === load) continue
      this.#told.set(id, load)
      loads.push({ id, load, loadAgeMs })
    }
    return loads
  }
}
