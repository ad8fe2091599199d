/** A target that answers and cuts the connection while it is being written to. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { ClientRequest } from '../../../src/front/http1/client-request.ts'
import { emptyStats } from '../../../src/front/http1/stats.ts'
import type { UpstreamLink, UpstreamUser } from '../../../src/front/http1/upstream-link.ts'
import { UpstreamPools } from '../../../src/front/http1/upstream-pools.ts'
import { Deadlines } from '../../../src/http1/deadlines.ts'
import { until } from '../../helpers/until.ts'
import { targetAt } from './harness.ts'

/** Answers the first bytes of a connection, resets it, and says so at `done[0]`. */
const ORIGIN = `
const { createServer } = require('node:net')
const { parentPort, workerData: done } = require('node:worker_threads')
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => {
    socket.write(done[1] ? 'HTTP/1.1 413 x\\r\\nContent-Length: 2\\r\\n\\r\\nno' : 'HTTP', () => {
      socket.once('close', () => {
        Atomics.store(done, 0, 1)
        Atomics.notify(done, 0)
      })
      socket.resetAndDestroy()
      server.close()
    })
  })
})
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

class User implements UpstreamUser {
  readonly heard: string[] = []
  upstreamHead({ status }: { status: number }): 'body' {
    this.heard.push(String(status))
    return 'body'
  }
  upstreamData(piece: Buffer): void {
    this.heard.push(String(piece))
  }
  upstreamEnd(): void {
    this.heard.push('end')
  }
  upstreamFlush(): void {}
  upstreamDrain(): void {}
  upstreamFailed(): void {
    this.heard.push('failed')
  }
  upstreamDown(): void {}
  upstreamExpired(): void {
    this.heard.push('expired')
  }
}

/** What a user hears that writes on after the target has answered (`whole`: all of it) and gone. */
async function heardAfterReset(t: Test, whole: boolean): Promise<string[]> {
  const done = new Int32Array(new SharedArrayBuffer(8))
  done[1] = whole ? 1 : 0
  const origin = new Worker(ORIGIN, { eval: true, workerData: done, execArgv: [] })
  t.teardown(() => origin.terminate())
  const [port] = (await once(origin, 'message')) as [number]
  const deadlines = new Deadlines()
  t.teardown(() => deadlines.stop())
  const stats = emptyStats()
  const pools = new UpstreamPools({ deadlines, stats }, { connectTimeoutMs: 2_000 })
  const user = new User()
  const connection = await new Promise<UpstreamLink>((connected, connectFailed) => {
    pools.acquire(targetAt(port), { connected, connectFailed }, true)
  })
  connection.assign(user)
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  connection.begin(new ClientRequest(head, '', 'http'), targetAt(port), '', false)
  connection.flush()
  // The event loop stands still: the reset is here before the answer was read.
  t.not(Atomics.wait(done, 0, 0, 5_000), 'timed-out')
  for (let i = 0; i < 3; i++) {
    connection.piece(Buffer.alloc(10_000))
    connection.flush()
  }
  await until('the end', () => /end|failed|expired/.test(user.heard.at(-1) ?? ''))
  await until('the connection is gone', () => stats.upstreamConnectionsOpen === 0)
  t.equal(connection.stream.destroyed, true)
  return user.heard
}

t.test('an answer that came before the write failed is heard', async (t) => {
  t.strictSame(await heardAfterReset(t, true), ['413', 'no', 'end'])
})

t.test('without a whole answer it has failed', async (t) => {
  t.strictSame(await heardAfterReset(t, false), ['failed'])
})
