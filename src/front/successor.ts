import { AriesError, toAriesError } from '../errors.ts'
import {
  type FromPredecessor,
  type FromSuccessor,
  type Inheritance,
  SUCCESSOR_ENV,
} from './handover.ts'
import { KeeperLine } from './keeper.ts'

/** A process that takes the place of its parent, as the parent's `Predecessor` sees to it. */
export class Successor {
  readonly keeper: KeeperLine

  /** `onKeeperGone`: the process that was started first has ended. */
  constructor(onKeeperGone: () => void) {
    this.keeper = new KeeperLine(onKeeperGone)
  }

  /** What the parent leaves. */
  async inherit(): Promise<Inheritance> {
    const answer = this.#ask({ type: 'began' })
    const message = await answer
    if (message.type === 'inheritance') return message.inheritance
    throw new AriesError('ARIES_E_INTERNAL', 'the front before this one left nothing')
  }

  /** The shards take clients. Resolves when the parent has given up its ports. */
  async serving(): Promise<void> {
    await this.#ask({ type: 'serving' })
  }

  /** All is here. */
  async complete(): Promise<void> {
    await this.keeper.say({ type: 'serves', pid: process.pid })
    say({ type: 'complete' })
    process.channel?.unref()
  }

  /** Another process has taken the place of this one. */
  replaced(): void {
    say({ type: 'replaced' })
  }

  /** Its last word: with this code the front ends. */
  async ends(code: number): Promise<void> {
    await this.keeper.say({ type: 'ends', code })
    if (process.connected) process.disconnect()
  }

  #ask(message: FromSuccessor): Promise<FromPredecessor> {
    return new Promise((resolve, reject) => {
      const gone = (): void => {
        reject(new AriesError('ARIES_E_INTERNAL', 'the front before this one has ended'))
      }
      process.once('disconnect', gone)
      process.once('message', (answer) => {
        process.off('disconnect', gone)
        resolve(answer as FromPredecessor)
      })
      say(message)
    })
  }
}

/** This process cannot take the place of its parent, which is told why. */
export function cannotSucceed(thrown: unknown): void {
  if (isSuccessor()) say({ type: 'failed', error: toAriesError(thrown).toBody() })
}

function say(message: FromSuccessor): void {
  if (process.connected) process.send?.(message)
}

/** Whether this process was started to take the place of its parent. */
export function isSuccessor(): boolean {
  return process.env[SUCCESSOR_ENV] !== undefined
}
