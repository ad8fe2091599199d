import { HEADER } from '../../wire.ts'
import type { Board } from '../board.ts'
import type { Nodes } from '../nodes.ts'
import type { AttemptOutcome, Refusal, Target } from '../plan.ts'
import { type Balance, BalancedPicker, type Place } from './balanced.ts'
import type { Candidate } from './candidates.ts'

type HeaderLines = NonNullable<Target['headers']>

export interface TaskBalance extends Balance {
  readonly board: Board
  readonly nodes: Nodes
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
 * requests alone; what pools tell on their answers and the price on the shared board know the whole
 * machine. Why a random few: with the cheapest of all, everyone would flood the same node until the
 * next news of it.
 */
export class TaskPicker extends BalancedPicker {
  readonly #balance: TaskBalance
  readonly #headers: HeaderLines

  constructor(balance: TaskBalance, place: Place, headers: HeaderLines) {
    super(balance, place, 'task')
    this.#balance = balance
    this.#headers = headers
  }

  protected choose(nowMs: number, tried: ReadonlySet<number> | undefined): number {
    const { open, openCount } = this.#balance.board.prices
    return this.#balance.chooser.choose(open, openCount, nowMs, tried)
  }

  protected candidates(): readonly Candidate[] {
    const { board, nodes } = this.#balance
    const { open, openCount } = board.prices
    return Array.from(open.subarray(0, openCount), (slot) => ({
      slot,
      id: nodes.bySlot(slot)?.id ?? String(slot),
      drains: false,
    }))
  }

  protected target(slot: number): Target | undefined {
    const node = this.#balance.nodes.bySlot(slot)
    if (node === undefined) return undefined
    return {
      id: node.id,
      poolKey: `${node.host}:${node.poolPort}`,
      host: node.host,
      port: node.poolPort,
      headers: this.#headers,
      meter: this.#balance.meters.target(node.id),
    }
  }

  protected unreachable(slot: number): void {
    const node = this.#balance.nodes.bySlot(slot)
    if (node !== undefined) this.#balance.onFailed(node.id)
  }

  protected get noneMessage(): string {
    return 'no node has a pool for tasks now'
  }

  /** A pool whose queue is full has not begun the task, whatever its method. */
  protected refusal({ fault }: AttemptOutcome): Refusal | undefined {
    return fault === 'ARIES_E_OVERLOADED' ? 'not-begun' : undefined
  }
}
