/** What the entry modules of children do, without the process around them. */
import { toAriesError } from '../../errors.ts'
import { Shard } from '../../front/shard.ts'
import type { FromShard, ShardSetup, ToShard } from '../../front/shard-ipc.ts'
import { Host } from '../../host/host.ts'
import type { ToHost } from '../../host/ipc.ts'
import type { Logger } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { realWorld } from '../../world.ts'
import type { Program } from '../runtime/children.ts'
import type { VirtualProcess } from '../runtime/process.ts'

export interface ProgramComponents {
  readonly log: (name: string) => Logger
  readonly store: (by: VirtualProcess) => Store
}

/** Any port: no task is asked for. */
const POOL_PORT = 1

/** By the path of the entry: `host/main`, `pool/main`, `front/shard-thread`. */
export function programOf(c: ProgramComponents, entry: string): Program {
  if (/\/host\/main\.\w+$/.test(entry)) return hostProgram(c)
  if (/\/pool\/main\.\w+$/.test(entry)) return poolProgram
  if (/\/front\/shard-thread\.\w+$/.test(entry)) return shardProgram(c)
  throw new Error(`the simulation knows no program ${entry}`)
}

function hostProgram(c: ProgramComponents): Program {
  return {
    start(self, reply) {
      let host: Host | undefined
      return (message) => {
        const said = message as ToHost
        if (said.type === 'setup') {
          const { clock } = realWorld
          const components = { store: c.store(self), clock, log: c.log(self.name), send: reply }
          host = new Host(components, said.setup)
          void host.start()
        } else if (said.type === 'shutdown') void host?.stop().then(() => self.kill())
        else host?.handle(said)
      }
    },
  }
}

const poolProgram: Program = {
  start(self, reply) {
    return (message) => {
      const { type } = message as { type: string }
      if (type === 'setup') reply({ type: 'ready', port: POOL_PORT })
      else if (type === 'shutdown') self.kill()
    }
  },
}

function shardProgram(c: ProgramComponents): Program {
  return {
    start(self, reply) {
      let shard: Shard | undefined
      const post = (message: FromShard): void => reply(message)
      return (message) => {
        if (shard) {
          const said = message as ToShard
          if (said.type === 'stop') void shard.stop(said.graceMs)
          else if (said.type === 'retire') void shard.retire(said)
          else shard.handle(said)
          return
        }
        const started = new Shard({ log: c.log(`${self.name}/shard`), post }, message as ShardSetup)
        shard = started
        started.start().then(
          () => post({ type: 'done', call: 0 }),
          (error: unknown) =>
            post({ type: 'failed', call: 0, error: toAriesError(error).toBody() }),
        )
      }
    },
  }
}
