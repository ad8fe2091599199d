import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'
import { freePorts } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'

const MOVES = 10
const CLIENTS = 8
const KEEPER = fileURLToPath(new URL('../host/fixtures/line-keeper.ts', import.meta.url))

/** A client of the line protocol that checks what comes back. */
class LineClient {
  readonly socket: Socket
  received = ''
  ended = false
  closed: string | undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.received += text
    })
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.closed = error.code ?? 'error'
    })
    this.socket.on('close', () => {
      this.closed ??= 'closed'
    })
  }

  get lines(): string[] {
    return this.received.split('\n').slice(0, -1)
  }
}

t.test(
  'raw connections to a worker: half-close, moves under load, slow readers, resets',
  async (t) => {
    const [port, fixed, own, none] = (await freePorts(4)) as [number, number, number, number]
    const cluster = await TestCluster.start({
      nodes: 2,
      routes: [{ path: '/keeper/:key', worker: KEEPER }],
      config: {
        listeners: [
          { http: `127.0.0.1:${port}` },
          { tcp: `127.0.0.1:${fixed}`, worker: KEEPER, key: 'lobby' },
          { tcp: `127.0.0.1:${own}`, worker: KEEPER, key: 'from :address' },
          {
            tcp: `127.0.0.1:${none}`,
            worker: KEEPER.replace('line-keeper', 'ledger'),
            key: ':port',
          },
        ],
        move: PATIENT_MOVES,
        placement: { rebalanceIntervalMs: 3_600_000 },
        // A busy machine must not look like a dead node.
        gossip: { preset: 'lan' },
      },
    })
    t.teardown(() => cluster.stop())
    const clients: LineClient[] = []
    const client = (at = fixed): LineClient => {
      const one = new LineClient(at)
      clients.push(one)
      return one
    }
    t.teardown(() => {
      for (const { socket } of clients) socket.destroy()
    })
    const state = async (
      key = 'lobby',
    ): Promise<{ lines: number; open: number; events: string }> => {
      const url = `http://127.0.0.1:${port}/keeper/${encodeURIComponent(key)}`
      return (await (await fetch(url)).json()) as { lines: number; open: number; events: string }
    }

    await t.test('both sides end on their own', async (t) => {
      const one = client(own)
      one.socket.write('a\nb')
      one.socket.end('c\n')
      await until('it is over', () => one.closed !== undefined)
      t.equal(one.received, 'hello\n1 a\n2 bc\nbye\n')
      t.equal(one.closed, 'closed')
      await until('the worker knows', async () => (await state('from 127.0.0.1')).open === 0)
      const { events } = await state('from 127.0.0.1')
      t.equal(events, 'open 127.0.0.1 true,end,close false,')
    })

    await t.test('a worker that ends first, resets, or throws', async (t) => {
      const quits = client(own)
      quits.socket.write('quit\n')
      await until('it is ended', () => quits.ended)
      t.equal(quits.received, 'hello\nquit\n')
      const { lines } = await state('from 127.0.0.1')
      quits.socket.end('sink\n')
      await until('it is over', () => quits.closed !== undefined)
      t.equal((await state('from 127.0.0.1')).lines, lines + 1, 'it was still heard')
      for (const word of ['reset', 'fail']) {
        const one = client(own)
        await until('it is open', () => one.received === 'hello\n')
        one.socket.write(`${word}\n`)
        await until(`${word} cuts it`, () => one.closed !== undefined)
        t.equal(one.closed, 'ECONNRESET', word)
      }
      const leaves = client(own)
      await until('it is open', () => leaves.received === 'hello\n')
      leaves.socket.resetAndDestroy()
      await until('the worker knows', async () => (await state('from 127.0.0.1')).open === 0)
      t.match((await state('from 127.0.0.1')).events, /close true,$/)
    })

    await t.test('a worker that takes no raw connections', async (t) => {
      const one = client(none)
      await until('it is cut', () => one.closed !== undefined)
      t.equal(one.closed, 'ECONNRESET')
    })

    await t.test('moved 10 times under load, and drained: byte-exact', async (t) => {
      const many = Array.from({ length: CLIENTS }, () => client())
      await until('all are open', () => many.every((one) => one.received === 'hello\n'))
      const said: number[] = Array<number>(CLIENTS).fill(0)
      const talk = setInterval(() => {
        many.forEach((one, i) => {
          // Cut anywhere: lines are put together again.
          const text = `client ${i} line ${said[i]!++}\n`
          one.socket.write(text.slice(0, 5))
          one.socket.write(text.slice(5))
        })
      }, 10)
      t.teardown(() => clearInterval(talk))
      const move = async (i: number): Promise<void> => {
        const workers = await cluster.get('/api/workers')
        const here = workers.find((w) => w.key === 'lobby')?.node
        const to = here === 'n1' ? 'n2' : 'n1'
        const moved = await cluster.post('/api/workers/line-keeper/lobby/move', { to })
        t.equal(moved.status, 200, `move ${i} to ${to}: ${JSON.stringify(moved.body)}`)
      }
      for (let i = 0; i < MOVES; i++) {
        const before = many[0]!.lines.length
        await until('the talk goes on', () => many.every((one) => one.lines.length > before + 2))
        await move(i)
      }
      const node = (await cluster.get('/api/workers')).find((w) => w.key === 'lobby')!.node
      const drained = await cluster.post(`/api/nodes/${node}/drain`)
      t.equal(drained.status, 200)
      await cluster.post(`/api/nodes/${node}/undrain`)
      clearInterval(talk)
      await until('all is answered', () =>
        many.every((one, i) => one.lines.length === said[i]! + 1),
      )
      const numbers: number[] = []
      many.forEach((one, i) => {
        const answers = one.lines.slice(1).map((line) => /^(\d+) (.*)$/.exec(line)!)
        t.strictSame(
          answers.map((found) => found[2]),
          Array.from({ length: said[i]! }, (_, n) => `client ${i} line ${n}`),
          `client ${i}: every line, in order, once`,
        )
        t.equal(one.closed, undefined)
        numbers.push(...answers.map((found) => Number(found[1])))
      })
      t.strictSame(
        numbers.toSorted((a, b) => a - b),
        Array.from({ length: numbers.length }, (_, n) => n + 1),
        'and each counted once',
      )
      t.comment(`${numbers.length} lines`)
    })

    await t.test('a slow reader slows the worker; not a byte is lost when it moves', async (t) => {
      const slow = client()
      await until('it is open', () => slow.received === 'hello\n')
      slow.socket.pause()
      const BYTES = 20_000_000
      slow.socket.write(`pour ${BYTES}\n`)
      for (const to of ['n1', 'n2', 'n1'])
        await cluster.post('/api/workers/line-keeper/lobby/move', { to })
      t.equal(slow.closed, undefined, 'it is not cut')
      slow.socket.resume()
      await until('it has all', () => slow.received.length === BYTES + 6)
      t.match(slow.received.slice(6), /^x+$/)
    })
    if (!t.passing()) t.comment(cluster.logs())
  },
)
