import t from 'tap'
import { request } from 'undici'
import { dataTokens } from '../../src/auth.ts'
import { answerLine } from '../../src/owner-questions.ts'
import { formatOwner, type OwnerAddress } from '../../src/wire.ts'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { node, StubMembership, serve, serveData, type Teardown, testConfig } from './stubs.ts'

const ROUTES = [{ path: '/counter/:key', worker: '/w/counter.ts' }]

interface StubWorkerHost {
  readonly id: string
  readonly seen: string[]
  readonly kill: () => Promise<void>
  owner(epoch: number): OwnerAddress
  /** Where the worker is when it is not here. */
  wentTo: OwnerAddress | undefined
}

/** A host that answers with its name, or 421 when the worker went elsewhere. */
async function host(t: Teardown, id: string): Promise<StubWorkerHost> {
  const stub = await serve(t, (req, res) => {
    self.seen.push(`${req.method} ${req.headers['aries-worker']} ${req.headers['aries-epoch']}`)
    if (self.wentTo !== undefined) {
      res.writeHead(421, {
        'aries-fault': 'ARIES_E_NOT_OWNER',
        'aries-owner': formatOwner(self.wentTo),
      })
    } else res.setHeader('aries-node', id)
    req.resume().on('end', () => res.end(id))
  })
  const self: StubWorkerHost = {
    id,
    seen: [],
    kill: stub.kill,
    owner: (epoch) => ({ node: id, host: '127.0.0.1', port: stub.port, epoch }),
    wentTo: undefined,
  }
  return self
}

t.test('a request finds its worker by one resolve, and goes there from then on', async (t) => {
  const h1 = await host(t, 'n1')
  let resolves = 0
  const data = await serveData(t, ({ class: name, key }) => {
    resolves += 1
    t.same([name, key], ['counter', 'a/b'])
    return h1.owner(1)
  })
  const membership = new StubMembership([node('n1', { dataPort: data.port })])
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => request(`${url}/counter/a%2Fb`, { method: 'POST' })),
  )
  for (const answer of answers) {
    t.equal(answer.statusCode, 200)
    t.equal(answer.headers['aries-node'], 'n1')
    await answer.body.dump()
  }
  t.equal(resolves, 1)
  t.equal(h1.seen[0], 'POST counter/a%2Fb 1')
})

t.test('with a key, nodes and hosts are shown the token', async (t) => {
  const shown: unknown[] = []
  const stub = await serve(t, (req, res) => {
    shown.push(req.headers['aries-auth'])
    const owner = { node: 'n1', host: '127.0.0.1', port: stub.port, epoch: 1 }
    req.resume().on('end', () => res.end(answerLine(0, owner)))
  })
  const membership = new StubMembership([node('n1', { dataPort: stub.port })])
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES, key: 'secret' }))
  t.equal((await request(`${url}/counter/a`)).statusCode, 200)
  t.same(shown, dataTokens(['secret', 'secret']))
})

t.test('a 421 corrects the owner, for this request and the next', async (t) => {
  const [h1, h2] = [await host(t, 'n1'), await host(t, 'n2')]
  let resolves = 0
  const data = await serveData(t, () => {
    resolves += 1
    return h1.owner(1)
  })
  const membership = new StubMembership([node('n1', { dataPort: data.port })])
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
  await (await request(`${url}/counter/a`)).body.dump()
  h1.wentTo = h2.owner(2)
  for (let i = 0; i < 2; i++) {
    const answer = await request(`${url}/counter/a`, { method: 'POST', body: 'x' })
    t.equal(answer.statusCode, 200)
    t.equal(await answer.body.text(), 'n2')
    t.notOk(answer.headers['aries-owner'])
  }
  t.equal(h1.seen.length, 2)
  t.same(h2.seen, ['POST counter/a 2', 'POST counter/a 2'])
  t.equal(resolves, 1)
})

t.test('hosts that send a request round in circles do not send it for ever', async (t) => {
  const [h1, h2] = [await host(t, 'n1'), await host(t, 'n2')]
  const data = await serveData(t, () => h1.owner(1))
  h1.wentTo = h2.owner(1)
  h2.wentTo = h1.owner(1)
  const membership = new StubMembership([node('n1', { dataPort: data.port })])
  const config = testConfig({ routes: ROUTES, front: { ownerTimeoutMs: 300 } })
  const { url } = await startFront(t, membership, config)
  const answer = await request(`${url}/counter/a`)
  t.equal(answer.statusCode, 503)
  t.match(await answer.body.json(), { error: { code: 'ARIES_E_NO_TARGET' } })
})

t.test('aries-owner on an answer moves the next request', async (t) => {
  const h2 = await host(t, 'n2')
  const forwarding = await serve(t, (_req, res) => {
    res.setHeader('aries-owner', formatOwner(h2.owner(2)))
    res.end('forwarded')
  })
  const data = await serveData(t, () => ({ ...h2.owner(1), port: forwarding.port, node: 'n1' }))
  const membership = new StubMembership([node('n1', { dataPort: data.port })])
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
  t.equal(await (await request(`${url}/counter/a`)).body.text(), 'forwarded')
  t.equal(await (await request(`${url}/counter/a`)).body.text(), 'n2')
})

t.test(
  'requests to a dead node wait through the failover, POSTs that were not sent too',
  async (t) => {
    const [h1, h2] = [await host(t, 'n1'), await host(t, 'n2')]
    const suspects: unknown[] = []
    let recovered = false
    let asked = 0
    const data = await serveData(t, ({ suspect }) => {
      if (h1.seen.length === 0) return h1.owner(1)
      asked += 1
      suspects.push(suspect)
      return recovered ? h2.owner(2) : 'ARIES_E_NODE_UNREACHABLE'
    })
    const membership = new StubMembership([
      node('n1', { dataPort: data.port }),
      node('n2', { dataPort: data.port }),
    ])
    const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
    t.equal(await (await request(`${url}/counter/a`)).body.text(), 'n1')
    await h1.kill()
    const waiting = Array.from({ length: 5 }, (_, i) =>
      request(`${url}/counter/a`, { method: i === 0 ? 'GET' : 'POST' }),
    )
    await until('it was asked again and again', () => asked >= 3)
    recovered = true
    for (const answer of await Promise.all(waiting)) t.equal(await answer.body.text(), 'n2')
    t.same(suspects[0], { node: 'n1', epoch: 1 })
  },
)

t.test('a node that gossip knows to be dead is not even tried', async (t) => {
  const [h1, h2] = [await host(t, 'n1'), await host(t, 'n2')]
  const data = await serveData(t, ({ suspect }) => (suspect ? h2.owner(2) : h1.owner(1)))
  const membership = new StubMembership([
    node('n1', { dataPort: 1 }),
    node('n2', { dataPort: data.port }),
  ])
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
  t.equal(await (await request(`${url}/counter/a`)).body.text(), 'n1')
  membership.set(node('n1', { state: 'unreachable' }))
  t.equal(await (await request(`${url}/counter/a`)).body.text(), 'n2')
  t.equal(h1.seen.length, 1)
})

t.test('a node whose data port refuses is reported, and another is asked', async (t) => {
  const h1 = await host(t, 'n1')
  const gone = await serve(t, () => {})
  await gone.kill()
  const data = await serveData(t, () => h1.owner(1))
  const membership = new StubMembership([
    node('n1', { dataPort: data.port }),
    node('n2', { dataPort: gone.port }),
  ])
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
  for (let i = 0; i < 30; i++) {
    t.equal((await request(`${url}/counter/${i}`)).statusCode, 200)
  }
  await until('it is reported', () => membership.refused.includes('n2'))
  t.notOk(membership.refused.includes('n1'))
})

t.test('who waits too long gets 504, who comes when too many wait 503', async (t) => {
  const data = await serveData(t, () => 'ARIES_E_NODE_UNREACHABLE')
  const membership = new StubMembership([node('n1', { dataPort: data.port })])
  const front = { ownerTimeoutMs: 300, waitingMax: 1 }
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES, front }))
  const answers = await Promise.all([request(`${url}/counter/a`), request(`${url}/counter/a`)])
  t.same(new Set(answers.map((answer) => answer.statusCode)), new Set([503, 504]))
  for (const answer of answers) {
    t.match(await answer.body.json(), { error: { code: /ARIES_E_(TIMEOUT|OVERLOADED)/ } })
  }
})

t.test(
  'a request that a dying host may have applied is not repeated, with a key it is',
  async (t) => {
    const h2 = await host(t, 'n2')
    const dying = await serve(t, (req) => req.socket.destroy())
    const first: OwnerAddress = { node: 'n1', host: '127.0.0.1', port: dying.port, epoch: 1 }
    const data = await serveData(t, ({ suspect }) => (suspect ? h2.owner(2) : first))
    const membership = new StubMembership([node('n2', { dataPort: data.port })])
    const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
    const unknown = await request(`${url}/counter/a`, { method: 'POST', body: 'x' })
    t.equal(unknown.statusCode, 502)
    t.match(await unknown.body.json(), { error: { code: 'ARIES_E_OUTCOME_UNKNOWN' } })
    const safe = await request(`${url}/counter/b`)
    t.equal(await safe.body.text(), 'n2')
    const headers = { 'idempotency-key': 'k1' }
    const keyed = await request(`${url}/counter/c`, { method: 'POST', body: 'x', headers })
    t.equal(await keyed.body.text(), 'n2')
  },
)

t.test('a host process that is about to end is not asked any more', async (t) => {
  const old = await host(t, 'n1')
  const young = await host(t, 'n1')
  const ports = (...hosts: StubWorkerHost[]) => ({ hostPorts: hosts.map((h) => h.owner(1).port) })
  let owner = old.owner(1)
  const data = await serveData(t, () => owner)
  const membership = new StubMembership([node('n1', { dataPort: data.port }, ports(old))])
  const { url } = await startFront(t, membership, testConfig({ routes: ROUTES }))
  await request(`${url}/counter/a`, { method: 'POST' })
  t.equal(old.seen.length, 1)
  owner = young.owner(2)
  membership.set(node('n1', { dataPort: data.port }, ports(young)))
  await until('the other one is asked', async () => {
    await (await request(`${url}/counter/a`, { method: 'POST' })).body.dump()
    return young.seen.length > 0
  })
  const seen = old.seen.length
  await request(`${url}/counter/a`, { method: 'POST' })
  t.equal(old.seen.length, seen)
})
