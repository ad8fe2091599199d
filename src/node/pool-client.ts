import { answerResolve, type ResolveAsk } from '../calls/resolves.ts'
import type { Logger } from '../log.ts'
import { entryUrl } from '../module-url.ts'
import type { FromPool, PoolSetup, PoolStats, ToPool } from '../pool/ipc.ts'
import type { World } from '../world.ts'
import { Child } from './child.ts'

const IDLE: PoolStats = {
  cpu: 0,
  memoryBytes: 0,
  requests: 0,
  connections: 0,
  completed: 0,
  failed: 0,
}

/** The control loop's end of the pool process. */
export class PoolClient {
  readonly #child: Child<ToPool, FromPool>
  #stats: PoolStats = IDLE

  constructor(
    components: { log: Logger; world: World },
    init: { setup: () => PoolSetup },
    events: { up: (port: number) => void; down: () => void; resolve: ResolveAsk },
  ) {
    this.#child = new Child<ToPool, FromPool>(
      components,
      {
        role: 'pool',
        entry: entryUrl('../pool/main.ts', import.meta.url),
        setup: () => ({ type: 'setup', setup: init.setup() }),
      },
      {
        message: (message) => {
          if (message.type === 'stats') this.#stats = message.stats
          else if (message.type === 'resolve') {
            void answerResolve(events.resolve, message).then((answer) => this.#child.send(answer))
          }
        },
        up: events.up,
        down: () => {
          this.#stats = IDLE
          events.down()
        },
      },
    )
  }

  get port(): number {
    return this.#child.port
  }

  get info(): Child<ToPool, FromPool>['info'] {
    return this.#child.info
  }

  get stats(): PoolStats {
    return this.#stats
  }

  start(): Promise<void> {
    return this.#child.start()
  }

  /** Tells the process of changed routes. */
  declare(tasks: ReadonlyMap<string, string>): void {
    this.#child.send({ type: 'declare', tasks: [...tasks] })
  }

  stop(graceMs: number): Promise<void> {
    return this.#child.stop({ type: 'shutdown' }, graceMs)
  }
}
