import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromLoad, LoadPlan, ToLoad } from './plan.ts'

type Ended = Extract<FromLoad, { type: 'ended' }>

/** A load from a process of its own: what this one does takes no time from its answers. */
export class Load {
  readonly #child: ChildProcess
  readonly #ended = Promise.withResolvers<Ended>()
  #sent = 0

  constructor(plan: LoadPlan) {
    const file = fileURLToPath(new URL('./load-child.ts', import.meta.url))
    this.#child = fork(file, [], { serialization: 'advanced' })
    this.#child.on('message', (message: FromLoad) => {
      this.#sent = message.sent
      if (message.type === 'ended') this.#ended.resolve(message)
    })
    this.#child.once('exit', (code) => {
      this.#ended.reject(new Error(`the load ended with ${code}`))
    })
    // Whoever waits for the end sees it.
    this.#ended.promise.catch(() => undefined)
    this.#send({ type: 'start', plan })
  }

  /** Requests sent, as of half a second ago. */
  get sent(): number {
    return this.#sent
  }

  /** Resolves with what came of it when every request has its end. */
  async stop(): Promise<Ended> {
    if (this.#child.connected) this.#send({ type: 'stop' })
    const ended = await this.#ended.promise
    this.kill()
    return ended
  }

  kill(): void {
    this.#child.kill()
  }

  #send(message: ToLoad): void {
    this.#child.send(message)
  }
}
