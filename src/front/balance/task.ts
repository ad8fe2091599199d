import type { RequestChooser } from '../../placement/request-chooser.ts'
import { HEADER } from '../../wire.ts'
import type { ShardStats } from '../metrics.ts'
import type { Nodes } from '../nodes.ts'
import type { AttemptFailure, Target } from '../plan.ts'
import { CountedPicker } from './counted.ts'

type HeaderLines = NonNullable<Target['headers']>

export interface TaskBalance {
  readonly chooser: RequestChooser
  readonly nodes: Nodes
  readonly stats: ShardStats
  /** A connection to the pool of that node failed. */
  readonly onFailed: (node: string) => void
}

/** The header lines that a request for the task carries to a pool. */
export function taskHeaders(task: string, token: string): HeaderLines {
  return token === ''
    ? [[HEADER.task, task]]
    : [
        [HEADER.task, task],
        [HEADER.auth, token],
      ]
}

/**
 * A task goes to the pool of the node where one more request costs least, among a random few.
 *
 * Why not fewest in flight: several shards and fronts send to the same nodes, and each knows its own
 * requests alone; the price on the shared board knows the whole machine. Why a random few: with the
 * cheapest of all, everyone would flood the same node until the next news of it.
 */
export class TaskPicker extends CountedPicker {
  readonly #balance: TaskBalance
  readonly #headers: HeaderLines
  #slot = -1
  #tried: Set<number> | undefined

  constructor(balance: TaskBalance, headers: HeaderLines) {
    super(balance.stats, 'task')
    this.#balance = balance
    this.#headers = headers
  }

  pick(failure?: AttemptFailure): Target {
    if (failure !== undefined) this.#failed(failure)
    const { chooser, nodes } = this.#balance
    const slot = chooser.choose(this.#tried)
    const node = nodes.bySlot(slot)
    if (node === undefined) {
      throw failure === undefined
        ? this.noTarget('no node has a pool for tasks now')
        : this.refusal(failure.error)
    }
    this.#slot = slot
    chooser.sent(slot)
    return {
      id: node.id,
      poolKey: `${node.host}:${node.poolPort}`,
      host: node.host,
      port: node.poolPort,
      headers: this.#headers,
    }
  }

  override done(failure?: AttemptFailure): void {
    if (failure !== undefined) this.#failed(failure)
    this.#release()
    super.done(failure)
  }

  #failed(failure: AttemptFailure): void {
    if (failure.phase === 'connect') this.#balance.onFailed(failure.target.id)
    this.#tried ??= new Set()
    this.#tried.add(this.#slot)
    this.#release()
  }

  #release(): void {
    if (this.#slot >= 0) this.#balance.chooser.done(this.#slot)
    this.#slot = -1
  }
}
