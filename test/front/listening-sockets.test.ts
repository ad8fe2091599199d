import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type ListeningSocket, successorStreams } from '../../src/front/handover.ts'

const QUEUE = fileURLToPath(new URL('fixtures/queue.ts', import.meta.url))
const CLIENTS = 8

function answerOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('data', (data) => resolve(String(data)))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
    socket.on('end', () => resolve('end'))
  })
}

/** What each client got that waited in the line of a server when that was killed. */
async function afterDeath(t: Test, how: 'inherit' | 'reuse'): Promise<Set<string>> {
  const server = spawn(process.execPath, [QUEUE, 'first', how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(server.stdout, 'data')) as [Buffer]
  const [port, heir] = String(line).split(' ').map(Number) as [number, number]
  t.teardown(() => process.kill(heir, 'SIGKILL'))
  const sockets = Array.from({ length: CLIENTS }, () => connect(port, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  const answers = sockets.map(answerOf)
  for (const socket of sockets) socket.write('anybody?')
  server.kill('SIGKILL')
  await once(server, 'exit')
  process.kill(heir, 'SIGUSR2')
  const got = await Promise.all(answers)
  for (const socket of sockets) socket.destroy()
  return new Set(got)
}

t.test('clients in the line of an inherited socket are served by the heir', async (t) => {
  t.same(await afterDeath(t, 'inherit'), new Set(['heir']))
})

t.test('with a socket of its own at the same port they would be lost', async (t) => {
  t.same(await afterDeath(t, 'reuse'), new Set(['ECONNRESET']))
})

t.test('sockets that were inherited keep their numbers, others get free ones', async (t) => {
  const socket = (listener: string, fd: number): ListeningSocket => ({ listener, port: 80, fd })
  const first = successorStreams([socket('a', 23), socket('b', 4)], 'pipe')
  t.same(first.stdio.slice(0, 6), ['inherit', 'inherit', 'inherit', 'pipe', 'ipc', 4])
  t.equal(first.stdio[23], 23)
  t.same(
    first.sockets.map(({ fd }) => fd),
    [23, 5],
  )
  const second = successorStreams([socket('b', 5), socket('c', 2_000)], 3)
  t.same(second.stdio, ['inherit', 'inherit', 'inherit', 3, 'ipc', 5, 2_000])
})
