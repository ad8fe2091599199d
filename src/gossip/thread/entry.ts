/** Entry of the gossip thread; `ThreadedGossip` starts it with a `ThreadSetup` as its `workerData`. */
import { parentPort, workerData } from 'node:worker_threads'
import { toAriesError } from '../../errors.ts'
import { createLogger } from '../../log.ts'
import { realWorld } from '../../world.ts'
import { Gossip } from '../gossip.ts'
import { MainLoop } from './main-loop.ts'
import type { FromThread, ThreadSetup, ToThread } from './messages.ts'
import { Reporter } from './reporter.ts'

const port = parentPort!
const setup = workerData as ThreadSetup
const log = createLogger(setup.log.identity, setup.log.level).child({ component: 'gossip' })
const post = (message: FromThread): void => port.postMessage(message)

const gossip = new Gossip({ log, world: realWorld }, setup.gossip)
const reporter = new Reporter({ gossip, log, post })
const mainLoop = new MainLoop({ gossip, log })

async function end(how: 'leave' | 'stop'): Promise<void> {
  mainLoop.stop()
  await gossip[how]()
  reporter.stop()
  post({ type: 'over' })
  port.close()
}

function hear(message: ToThread): void {
  mainLoop.beat()
  if (message.type === 'load') mainLoop.setLoad(message.load)
  else if (message.type === 'meta') gossip.setMeta(message.meta)
  else if (message.type === 'map') gossip.setMap(message.map, message.leaving)
  else if (message.type === 'keys') gossip.setKeys(message.keys)
  else if (message.type === 'refused') gossip.reportRefused(message.id)
  else if (message.type === 'join') gossip.join(message.node)
  else if (message.type !== 'beat') void end(message.type)
}

try {
  gossip.setMeta(setup.meta)
  if (setup.load) mainLoop.setLoad(setup.load)
  await gossip.start()
  post({ type: 'started', members: gossip.members() })
  reporter.start()
  mainLoop.start()
  port.on('message', hear)
} catch (thrown) {
  post({ type: 'failed', error: toAriesError(thrown).toBody() })
  port.close()
}
