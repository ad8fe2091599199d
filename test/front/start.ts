/** Starts a front for a test, on its own port, and stops it with the test. */
import { connect, type Socket } from 'node:net'
import type { ClusterView } from '../../src/admin/cluster-view.ts'
import { type AdminComponents, AdminServer } from '../../src/admin/server.ts'
import type { Config } from '../../src/config/schema.ts'
import { Front } from '../../src/front/front.ts'
import type { KeyRing } from '../../src/key-ring.ts'
import { realWorld } from '../../src/world.ts'
import { freePorts } from '../helpers/ports.ts'
import { log, type StubMembership, type Teardown } from './stubs.ts'

export interface StartedFront {
  readonly front: Front
  readonly port: number
  readonly url: string
}

export async function startFront(
  t: Teardown,
  membership: StubMembership,
  config: Config,
): Promise<StartedFront> {
  const front = new Front({ log, world: realWorld, membership }, { config, id: 'f1' })
  await front.start()
  t.teardown(() => front.stop())
  const { port } = front.addresses()[0]!
  return { front, port, url: `http://127.0.0.1:${port}` }
}

/** The admin API of a front that is alone, which has `parts`; resolves with its address. */
export async function startAdmin(
  t: Teardown,
  parts: Pick<AdminComponents, 'upstreams' | 'requests'>,
): Promise<string> {
  const [port] = await freePorts(1)
  const member = { id: 'f1', role: 'front', state: 'alive', host: '127.0.0.1', adminPort: port }
  const admin = new AdminServer({
    view: { cluster: () => ({ members: [member] }) } as unknown as ClusterView,
    keys: {} as KeyRing,
    metrics: async () => '',
    log,
    ...parts,
  })
  await admin.start('127.0.0.1', port!)
  t.teardown(() => admin.stop())
  return `127.0.0.1:${port}`
}

/** One client connection that is kept, to see that it is. */
export class KeptConnection {
  readonly #socket: Socket
  #text = ''
  #wake: () => void = () => {}
  closed = false

  constructor(t: Teardown, port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.on('data', (chunk) => {
      this.#text += String(chunk)
      this.#wake()
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
    t.teardown(() => this.#socket.destroy())
  }

  write(text: string): void {
    this.#socket.write(text)
  }

  /** Status and body of `GET path`; throws when the connection closes first. */
  async get(path: string): Promise<{ status: number; body: string }> {
    this.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    return this.answer()
  }

  async answer(): Promise<{ status: number; body: string }> {
    for (;;) {
      const match = /^HTTP\/1\.1 (\d+).*?content-length: (\d+).*?\r\n\r\n/is.exec(this.#text)
      const end = match === null ? 0 : match[0].length + Number(match[2])
      if (match !== null && this.#text.length >= end) {
        const body = this.#text.slice(match[0].length, end)
        this.#text = this.#text.slice(end)
        return { status: Number(match[1]), body }
      }
      if (this.closed) throw new Error(`closed after ${JSON.stringify(this.#text)}`)
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }
}
