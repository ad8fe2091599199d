/** A child of a node asks its control loop, over the IPC channel, who owns a worker. */
import { AriesError, type ErrorBody, fromBody, toAriesError } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import type { OwnerAddress } from '../wire.ts'
import type { Clock } from '../world.ts'

/** Longer than a node looks for an owner; a control loop that takes longer is hung. */
const ANSWER_TIMEOUT_MS = 6_000

/** Child → node. */
export interface ResolveMessage {
  readonly type: 'resolve'
  readonly call: number
  readonly id: WorkerId
  /** An owner that could not be reached. */
  readonly suspect: { readonly node: string; readonly epoch: number } | undefined
}

/** Node → child. */
export interface ResolvedMessage {
  readonly type: 'resolved'
  readonly call: number
  readonly result: OwnerAddress | ErrorBody
}

interface Waiting {
  readonly resolve: (owner: OwnerAddress) => void
  readonly reject: (error: AriesError) => void
}

/** The child's end. */
export class Resolves {
  readonly #send: (message: ResolveMessage) => void
  readonly #clock: Clock
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0

  constructor(components: { send: (message: ResolveMessage) => void; clock: Clock }) {
    this.#send = components.send
    this.#clock = components.clock
  }

  /** One attempt. Rejects with what the node said. */
  async resolve(id: WorkerId, suspect: OwnerAddress | undefined): Promise<OwnerAddress> {
    const call = ++this.#calls
    const { promise, resolve, reject } = Promise.withResolvers<OwnerAddress>()
    this.#waiting.set(call, { resolve, reject })
    const timer = this.#clock.after(ANSWER_TIMEOUT_MS, () => {
      reject(new AriesError('ARIES_E_NODE_UNREACHABLE', 'the control loop does not answer'))
    })
    this.#send({
      type: 'resolve',
      call,
      id,
      suspect: suspect && { node: suspect.node, epoch: suspect.epoch },
    })
    try {
      return await promise
    } finally {
      timer.cancel()
      this.#waiting.delete(call)
    }
  }

  heard({ call, result }: ResolvedMessage): void {
    const waiting = this.#waiting.get(call)
    if (!('error' in result)) waiting?.resolve(result)
    else waiting?.reject(fromBody(result) ?? new AriesError('ARIES_E_INTERNAL', 'no owner'))
  }
}

/** The node's end. Never rejects. */
export async function answerResolve(
  ask: ResolveAsk,
  { call, id, suspect }: ResolveMessage,
): Promise<ResolvedMessage> {
  try {
    return { type: 'resolved', call, result: await ask(id, suspect) }
  } catch (thrown) {
    return { type: 'resolved', call, result: toAriesError(thrown).toBody() }
  }
}

export type ResolveAsk = (
  id: WorkerId,
  suspect?: ResolveMessage['suspect'],
) => Promise<OwnerAddress>
