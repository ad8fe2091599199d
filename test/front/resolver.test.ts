import t, { type Test } from 'tap'
import { AriesError } from '../../src/errors.ts'
import type { Nodes, NodeView } from '../../src/front/nodes.ts'
import { Resolver } from '../../src/front/resolver.ts'
import { answerLine, type OwnerQuestion, questionsIn } from '../../src/owner-questions.ts'
import type { OwnerAddress } from '../../src/wire.ts'
import { serve } from './stubs.ts'

const owner = (epoch: number): OwnerAddress => ({ node: 'n1', host: '127.0.0.1', port: 1, epoch })
const id = (key: string) => ({ class: 'counter', key })

type Say = (n: number, answer: OwnerAddress) => void

/** A node that answers each request as `react` does; `end` ends the answer. */
async function node(
  t: Test,
  react: (questions: readonly OwnerQuestion[], say: Say, end: () => void) => void,
): Promise<NodeView> {
  const { port } = await serve(t, async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    response.writeHead(200)
    response.flushHeaders()
    react(
      questionsIn(JSON.parse(text) as object),
      (n, answer) => response.write(answerLine(n, answer)),
      () => response.end(),
    )
  })
  return { id: `n${port}`, slot: 0, host: '127.0.0.1', dataPort: port, poolPort: 0, hostPorts: [] }
}

function resolver(t: Test, toAsk: readonly NodeView[]): { resolver: Resolver; refused: string[] } {
  const refused: string[] = []
  const resolver = new Resolver(
    { nodes: { toAsk: () => toAsk } as unknown as Nodes, onRefused: (node) => refused.push(node) },
    { token: () => '', connectTimeoutMs: 1_000 },
  )
  t.teardown(() => resolver.close())
  return { resolver, refused }
}

t.test(
  'what is asked in one turn goes in one request, each answer comes when it is there',
  async (t) => {
    const heard: (readonly OwnerQuestion[])[] = []
    const late = Promise.withResolvers<void>()
    const n1 = await node(t, (questions, say, end) => {
      heard.push(questions)
      say(1, owner(2))
      void late.promise.then(() => {
        say(0, owner(1))
        end()
      })
    })
    const { resolver: front } = resolver(t, [n1])
    const slow = front.resolve(id('slow'), owner(7))
    const quick = front.resolve(id('quick'), undefined)
    t.same(await quick, owner(2), 'it does not wait for the other')
    late.resolve()
    t.same(await slow, owner(1))
    t.same(heard, [[{ ...id('slow'), suspect: { node: 'n1', epoch: 7 } }, id('quick')]])
  },
)

t.test('many go in several requests', async (t) => {
  let requests = 0
  const n1 = await node(t, (questions, say, end) => {
    requests++
    for (const n of questions.keys()) say(n, owner(n))
    end()
  })
  const { resolver: front } = resolver(t, [n1])
  const asked = Array.from({ length: 600 }, (_, i) => front.resolve(id(`k${i}`), undefined))
  t.equal((await Promise.all(asked)).length, 600)
  t.equal(requests, 3)
})

t.test('what a node leaves unanswered another is asked', async (t) => {
  const n1 = await node(t, (_questions, say, end) => {
    say(0, owner(1))
    end()
  })
  const n2 = await node(t, (_questions, say, end) => {
    say(0, owner(2))
    end()
  })
  const { resolver: front } = resolver(t, [n1, n2])
  const both = [front.resolve(id('a'), undefined), front.resolve(id('b'), undefined)]
  t.same(await Promise.all(both), [owner(1), owner(2)])
})

t.test(
  'a node that is found dead, one that is not there, and one that talks nonsense',
  async (t) => {
    const silent = await node(t, () => setTimeout(() => front.nodeDown(silent.id), 50))
    const gone: NodeView = { ...silent, id: 'gone', dataPort: 1 }
    const n3 = await node(t, (_questions, say, end) => {
      say(0, owner(3))
      end()
    })
    const { resolver: front, refused } = resolver(t, [silent, gone, n3])
    t.same(await front.resolve(id('a'), undefined), owner(3))
    t.same(refused, ['gone'])
    const nonsense = await node(t, (_questions, say) => say(5, owner(1)))
    const { resolver: other } = resolver(t, [nonsense])
    await t.rejects(other.resolve(id('a'), undefined), { code: 'ARIES_E_BAD_GATEWAY' })
    const { resolver: none } = resolver(t, [])
    const error = await none.resolve(id('a'), undefined).catch((thrown: unknown) => thrown)
    t.ok(error instanceof AriesError && error.code === 'ARIES_E_NODE_UNREACHABLE')
  },
)
