/** Entry of a host process: forked by its node, set up by its first message, gone with its node. */
import { setFlagsFromString } from 'node:v8'
import { createLogger, type Logger } from '../log.ts'
import { openStore } from '../store/open.ts'
import { giveAuthorsAries } from '../worker/author-import.ts'
import { useLeanResponse } from '../worker/lean-response.ts'
import { realWorld } from '../world.ts'
import { collector } from './collector.ts'
import { heapBytes } from './heap-use.ts'
import { Host } from './host.ts'
import type { FromHost, HostSetup, ToHost } from './ipc.ts'
import { Tidy } from './tidy.ts'
import { warmUp } from './warm-up.ts'

function send(message: FromHost): void {
  // A channel that closes meanwhile ends the process anyway.
  if (process.connected) process.send!(message, undefined, {}, () => undefined)
}

/*
 * The sections of a state lie outside the heap. V8 weighs them against what the heap alone may grow
 * by, so that a host with a small heap collects it whole for every few megabytes that come in, which
 * stops it for milliseconds each time: twenty times while 100 MB arrive. With this flag both are
 * weighed together, within the same limit. It is one of V8 13's; others may not know it.
 */
if (process.versions.v8.startsWith('13.')) {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
}

giveAuthorsAries()
useLeanResponse()

let host: Host | undefined
let log: Logger | undefined

async function setUp(setup: HostSetup): Promise<void> {
  log = createLogger({ role: 'host', id: setup.node }, setup.logLevel)
  try {
    const store = await openStore({ log }, setup.store)
    const tidy = new Tidy(collector())
    host = new Host({ store, clock: realWorld.clock, log, send, tidy, heapBytes }, setup)
    await host.start()
    // After it has said that it is ready: nobody waits for this.
    setImmediate(warmUp)
  } catch (error) {
    log.fatal({ err: error }, 'host cannot start')
    process.exit(1)
  }
}

async function shutDown(): Promise<void> {
  await host?.stop()
  process.exit(0)
}

process.on('message', (message: ToHost) => {
  if (message.type === 'setup') void setUp(message.setup)
  else if (message.type === 'shutdown') void shutDown()
  else host?.handle(message)
})
// A promise that an author forgot must not cost every worker of the process.
process.on('unhandledRejection', (error) => {
  log?.error({ err: error }, 'a promise was rejected and nobody looked')
})
process.once('disconnect', () => process.exit(0))
// The terminal sends them to the whole group; the node decides when its host ends.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
