import { type AddressInfo, connect, createServer } from 'node:net'
import t from 'tap'
import { type ListenerAddress, parseListener, probe } from '../../src/front/listen.ts'
import { Listeners } from '../../src/front/listeners.ts'
import { emptyStats } from '../../src/front/metrics.ts'
import { until } from '../helpers/until.ts'
import { log, type Teardown } from './stubs.ts'

const at = (port: number): ListenerAddress => parseListener({ http: `127.0.0.1:${port}` })

async function takenPort(t: Teardown): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => done(true)).on('error', () => done(false))
    socket.on('connect', () => socket.destroy())
  })
}

t.test('a listener is host:port, and what is behind it is tcp://host:port', async (t) => {
  t.match(parseListener({ http: '0.0.0.0:8080' }), { host: '0.0.0.0', port: 8080 })
  t.match(parseListener({ http: '[::1]:80' }), { host: '::1', port: 80, upstreams: undefined })
  t.match(parseListener({ tcp: 'localhost:1', upstreams: ['tcp://db:5432'] }), {
    upstreams: [{ url: 'tcp://db:5432', host: 'db', port: 5432 }],
  })
  for (const http of ['8080', ':8080', 'host', 'host:', 'host:99999', '::1:80', 'a b:c']) {
    t.throws(() => parseListener({ http }), { code: 'ARIES_E_CONFIG' }, http)
  }
  t.throws(() => parseListener({ tcp: 'h:1', upstreams: ['tcp://noport'] }), {
    code: 'ARIES_E_CONFIG',
  })
})

t.test(
  'probing fills in ports and leaves none taken; an address that is not ours is told',
  async (t) => {
    const [one, two] = await probe([at(0), at(0)])
    t.not(one!.port, two!.port)
    t.equal(await answers(one!.port), false)
    const port = await takenPort(t)
    await t.rejects(probe([at(0), at(port)]), {
      code: 'ARIES_E_PORT_IN_USE',
      message: new RegExp(`127.0.0.1:${port}`),
    })
    await t.rejects(probe([parseListener({ http: '192.0.2.1:80' })]), { code: 'ARIES_E_CONFIG' })
  },
)

t.test('listeners change as a whole or not at all; connections stay', async (t) => {
  let clients = 0
  const listeners = new Listeners(
    { log, stats: emptyStats(), onClient: () => void clients++, onGone: () => {} },
    { inherited: [] },
  )
  t.teardown(() => listeners.close())
  const [a, b] = (await probe([at(0), at(0)])) as [ListenerAddress, ListenerAddress]
  await listeners.set([a])
  await t.rejects(listeners.set([b, at(await takenPort(t))]), { code: 'ARIES_E_PORT_IN_USE' })
  t.same([await answers(a.port), await answers(b.port)], [true, false])

  const kept = connect(a.port, '127.0.0.1')
  t.teardown(() => kept.destroy())
  let closed = false
  kept.on('close', () => {
    closed = true
  })
  await until('it is taken', () => clients === 2)
  await listeners.set([b])
  t.same([await answers(a.port), await answers(b.port)], [false, true])
  t.equal(closed, false)
})
