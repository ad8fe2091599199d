/** Entry of a shard's thread; `Shards` starts it with a `ShardSetup` as its `workerData`. */
import { parentPort, workerData } from 'node:worker_threads'
import { toAriesError } from '../errors.ts'
import { createLogger } from '../log.ts'
import { Shard } from './shard.ts'
import type { FromShard, ShardSetup, ToShard } from './shard-ipc.ts'

const port = parentPort!
const setup = workerData as ShardSetup
const log = createLogger({ role: 'front', id: setup.front }, setup.config.logLevel).child({
  shard: setup.shard,
})
const post = (message: FromShard): void => port.postMessage(message)

try {
  const shard = new Shard({ log, post }, setup)
  port.on('message', (message: ToShard) => {
    if (message.type === 'stop') void shard.stop(message.graceMs).finally(() => port.close())
    else if (message.type === 'retire') void shard.retire(message).finally(() => port.close())
    else shard.handle(message)
  })
  await shard.start()
  post({ type: 'done', call: 0 })
} catch (thrown) {
  post({ type: 'failed', call: 0, error: toAriesError(thrown).toBody() })
  port.close()
}
