import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { HostPools, isUnsent } from '../src/host-pools.ts'

/** A host of n2 that takes requests and never answers. */
async function silentHost(t: Test) {
  let requests = 0
  const server = createServer(() => requests++).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { owner: { node: 'n2', host: '127.0.0.1', port }, requests: () => requests }
}

function pools(t: Test): HostPools {
  const made = new HostPools()
  t.teardown(() => made.close())
  return made
}

const never = new AbortController().signal

t.test('a request leaves a node that gossip finds dead', async (t) => {
  const { owner, requests } = await silentHost(t)
  for (const repeatable of [true, false]) {
    const host = pools(t)
    const sent = host.send({ owner, repeatable, signal: never }, (pool, signal) =>
      pool.request({ path: '/', method: 'GET', signal }),
    )
    let ended = false
    sent.catch(() => undefined).finally(() => (ended = true))
    const before = requests()
    while (requests() === before) await new Promise((resolve) => setImmediate(resolve))
    host.setDead('n3', true)
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(ended, false, 'another node is no matter')
    host.setDead('n2', true)
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(ended, repeatable, 'one that is not safe to repeat waits a little')
    const error: unknown = await sent.catch((thrown: unknown) => thrown)
    t.equal((error as Error).name, 'AbortError')
    t.equal(isUnsent(error), false)
  }
})

t.test('also one that is still connecting, which undici would not end', async (t) => {
  const host = pools(t)
  const owner = { node: 'n2', host: '127.0.0.1', port: 1 }
  const sent = host.send(
    { owner, repeatable: true, signal: never },
    () => new Promise(() => undefined),
  )
  host.setDead('n2', true)
  await t.rejects(sent, { name: 'AbortError' })
})

t.test('nothing is sent to a node that is known to be dead, until it is back', async (t) => {
  const host = pools(t)
  const { owner } = await silentHost(t)
  const send = (): Promise<string> =>
    host.send({ owner, repeatable: true, signal: never }, () => Promise.resolve('sent'))
  host.setDead('n2', true)
  const error: unknown = await send().catch((thrown: unknown) => thrown)
  t.equal(isUnsent(error), true)
  host.setDead('n2', false)
  t.equal(await send(), 'sent')
})
