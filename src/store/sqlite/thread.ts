/** The thread that makes the SQLite calls, which block: see `store.ts` beside it. */
import type { DatabaseSync } from 'node:sqlite'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { toAriesError } from '../../errors.ts'
import { openDatabase } from './database.ts'
import type { FromThread, Reply, ToThread, WriteJob } from './ipc.ts'
import { inTransaction } from './lock.ts'
import { Reads } from './reads.ts'
import { Writes } from './writes.ts'

/** A value of this size moves to the other thread; a smaller one is cheaper to copy. */
const MOVED_BYTES_MIN = 65_536

function serve(port: MessagePort, db: DatabaseSync): void {
  const reads = new Reads(db)
  const writes = new Writes(db, reads)
  port.on('message', (asked: ToThread) => {
    if ('close' in asked) {
      db.close()
      port.close()
      return
    }
    const { batch } = asked
    try {
      const replies =
        'reads' in asked
          ? asked.reads.map((job) => reads.run(job))
          : inTransaction(
              db,
              () => asked.writes.map((job) => writes.run(job, asked.values)),
              !asked.writes.every(isClaim),
            )
      post(port, { batch, replies }, replies.flatMap(movable))
    } catch (error) {
      const { code, message } = toAriesError(error, 'ARIES_E_STORE')
      post(port, { batch, code, message }, [])
    }
  })
}

/**
 * A claim need not wait for the disk: the first commit under it does, and takes it along. Until then
 * only a loss of the machine's power undoes it, and that ends every process that owns anything.
 */
function isClaim(job: WriteJob): boolean {
  return job.do === 'claim'
}

function movable(reply: Reply): ArrayBuffer[] {
  if (typeof reply !== 'object' || !('sections' in reply)) return []
  return reply.sections
    .map(({ value }) => value.buffer as ArrayBuffer)
    .filter((buffer) => buffer.byteLength >= MOVED_BYTES_MIN)
}

function post(port: MessagePort, message: FromThread, move: ArrayBuffer[]): void {
  port.postMessage(message, move)
}

const port = parentPort
if (port === null) throw new Error('this module runs as a thread of the store')
try {
  const db = openDatabase((workerData as { path: string }).path)
  serve(port, db)
  post(port, { open: true }, [])
} catch (error) {
  const { message, code } = toAriesError(error, 'ARIES_E_STORE')
  post(port, { failed: message, code }, [])
  port.close()
}
