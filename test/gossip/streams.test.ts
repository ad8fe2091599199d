import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { Streams } from '../../src/gossip/streams.ts'
import { realWorld } from '../../src/world.ts'
import { freePorts } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'

interface Heard {
  readonly frames: string[]
  readonly answers: string[]
  readonly refused: string[]
}

async function streams(t: Test, port: number): Promise<{ made: Streams; heard: Heard }> {
  const heard: Heard = { frames: [], answers: [], refused: [] }
  const made = new Streams(realWorld, {
    mayAsk: () => true,
    onFrame: (bytes, address, reply) => {
      heard.frames.push(`${bytes} from ${address}`)
      if (bytes.length < 100) reply(Buffer.from(`re ${bytes}`))
    },
    onAnswer: (bytes, id) => heard.answers.push(`${bytes} of ${id}`),
    onRefused: (id) => heard.refused.push(id),
  })
  await made.listen('127.0.0.1', port)
  t.teardown(() => made.close())
  return { made, heard }
}

t.test('a probe and its answer go over one connection; nobody there is a refusal', async (t) => {
  const [here, there, nowhere] = (await freePorts(3)) as [number, number, number]
  const one = await streams(t, here)
  const other = await streams(t, there)
  one.made.ask('n2', '127.0.0.1', there, Buffer.from('ping'))
  one.made.ask('n3', '127.0.0.1', nowhere, Buffer.from('ping'))
  await until('both came back', () => one.heard.answers.length + one.heard.refused.length === 2)
  t.strictSame(one.heard, { frames: [], answers: ['re ping of n2'], refused: ['n3'] })
  t.strictSame(other.heard.frames, ['ping from 127.0.0.1'])
})

t.test('a stranger may send one short frame, and hold nothing open', async (t) => {
  const [port] = (await freePorts(1)) as [number]
  const { heard } = await streams(t, port)
  const closed = async (bytes: Buffer): Promise<void> => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(bytes)
    await once(socket, 'close')
  }
  const short = Buffer.from([0, 2, 0x68, 0x69])
  await closed(Buffer.concat([short, short]))
  t.strictSame(heard.frames, ['hi from 127.0.0.1'], 'the second is not taken')
  await closed(Buffer.from([0xff, 0xff]))
  await closed(Buffer.concat([Buffer.from([0, 200]), Buffer.alloc(2_000)]))
  await closed(Buffer.from([0, 50, 1]))
  t.equal(heard.frames.filter((one) => one.startsWith('hi')).length, 1)
})

t.test('after its close nothing comes in or goes out', async (t) => {
  const [here, nowhere] = (await freePorts(2)) as [number, number]
  const { made, heard } = await streams(t, here)
  made.ask('n3', '127.0.0.1', nowhere, Buffer.from('ping'))
  await made.close()
  made.ask('n3', '127.0.0.1', nowhere, Buffer.from('ping'))
  const socket = connect(here, '127.0.0.1')
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  t.equal(error.code, 'ECONNREFUSED')
  t.strictSame(heard.refused, [])
})
