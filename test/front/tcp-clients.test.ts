import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import t from 'tap'
import type { Sessions } from '../../src/front/sessions.ts'
import { TcpClients } from '../../src/front/tcp-clients.ts'
import { until } from '../helpers/until.ts'
import { log } from './stubs.ts'

t.test('a client that has gone before it was looked at reaches no worker', async (t) => {
  const keys: string[] = []
  const sessions = {
    fault: () => undefined,
    open: ({ key }: { key: string }) => {
      keys.push(key)
      return {}
    },
  } as unknown as Sessions
  const bytes = { in: 0, out: 0 }
  const clients = new TcpClients({ log, sessions, bytes, idleTimeoutMs: () => 1_000 })
  let accepted = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    clients.accept(socket, { class: 'meter', key: 'of :address' })
    t.teardown(() => socket.destroy())
    accepted++
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  // While this process waits for another one, nobody takes what connects.
  const code = `require('net').connect(${port}, '127.0.0.1', function () { this.resetAndDestroy() })`
  spawnSync(process.execPath, ['-e', code], { env: { ...process.env, NODE_OPTIONS: '' } })
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await until('both were looked at', () => accepted === 2)
  t.same(keys, ['of 127.0.0.1'])
})
