import t from 'tap'
import { AriesError } from '../../../src/errors.ts'
import { emptyStats } from '../../../src/front/http1/stats.ts'
import type { UpstreamConnection } from '../../../src/front/http1/upstream-connection.ts'
import { type PoolWaiter, UpstreamPools } from '../../../src/front/http1/upstream-pools.ts'
import { Deadlines } from '../../../src/http1/deadlines.ts'
import { until } from '../../helpers/until.ts'
import { dial, rawOrigin, startFrontTo, targetAt } from './harness.ts'

class Waiter implements PoolWaiter {
  connection: UpstreamConnection | undefined
  error: AriesError | undefined
  connected(connection: UpstreamConnection): void {
    this.connection = connection
  }
  connectFailed(error: AriesError): void {
    this.error = error
  }
}

t.test('past the limit requests wait in line, and not for ever', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const target = targetAt(origin.port)
  const deadlines = new Deadlines()
  t.teardown(() => deadlines.stop())
  const stats = emptyStats()
  const pools = new UpstreamPools(
    { deadlines, stats },
    { connectTimeoutMs: 200, connectionsMax: 2 },
  )
  const waiters = Array.from({ length: 5 }, () => new Waiter())
  for (const waiter of waiters) pools.acquire(target, waiter, false)
  await until('two connections', () => waiters[1]!.connection !== undefined)
  t.equal(stats.upstreamConnectionsOpen, 2)
  pools.cancel(target, waiters[2]!)
  waiters[0]!.connection!.abandon()
  await until('the next in line', () => waiters[3]!.connection !== undefined)
  await until('the end of the wait', () => waiters[4]!.error !== undefined)
  t.ok(waiters[4]!.error instanceof AriesError)
  t.match(waiters[4]!.error?.message, /connectTimeoutMs/)
  t.equal(waiters[2]!.connection ?? waiters[2]!.error, undefined, 'a cancelled one hears nothing')
  for (const { connection } of waiters) connection?.abandon()
  await until('all closed', () => stats.upstreamConnectionsOpen === 0)
})

t.test('the last used connection is taken first; what is idle too long is closed', async (t) => {
  const origin = await rawOrigin(t, (connection, index) => {
    const wait = connection.text.includes('/slow') ? 50 : 0
    connection.text = ''
    setTimeout(() => {
      connection.write(
        `HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 1\r\n\r\n${index}`,
      )
    }, wait)
  })
  const front = await startFrontTo(t, targetAt(origin.port))
  const first = await dial(t, front.port)
  const second = await dial(t, front.port)
  first.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  await until('first request', () => origin.connections.length === 1)
  second.write('GET /quick HTTP/1.1\r\nHost: a\r\n\r\n')
  await until('both answers', () => front.records.length === 2)
  second.text = ''
  second.write('GET /again HTTP/1.1\r\nHost: a\r\n\r\n')
  await second.has('\r\n\r\n0')
  t.equal(front.engine.stats().upstreamConnectionsOpen, 2)
  await until('idle ones to close', () => front.engine.stats().upstreamConnectionsOpen === 0)
})
