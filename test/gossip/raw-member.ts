import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'
import type { Claim } from '../../src/gossip/claim.ts'
import { Envelope } from '../../src/gossip/envelope.ts'
import type { MapVersion } from '../../src/gossip/header.ts'
import { type LoadNews, type PacketHead, PacketWriter } from '../../src/gossip/packet.ts'
import { until } from '../helpers/until.ts'

export interface RawInit {
  readonly id: string
  readonly port: number
  readonly keys: readonly string[]
  readonly boot: number
  readonly map: MapVersion
}

interface Words extends PacketHead {
  readonly claims?: readonly Claim[]
  readonly loads?: readonly LoadNews[]
}

/** A member by hand: a socket at a port of the map that says whatever the test wants. */
export class RawMember {
  readonly envelope: Envelope
  readonly heard: Buffer[] = []
  readonly #socket: Socket
  readonly #writer = new PacketWriter(1_300)

  constructor(socket: Socket, init: RawInit) {
    this.#socket = socket
    this.envelope = new Envelope({ ...init, selfId: init.id, cluster: 'test' })
    socket.on('message', (bytes) => this.heard.push(bytes))
  }

  static async at(t: Test, init: RawInit): Promise<RawMember> {
    const socket = createSocket('udp4')
    t.teardown(() => socket.close())
    socket.bind(init.port, '127.0.0.1')
    await once(socket, 'listening')
    return new RawMember(socket, init)
  }

  /** What it would send: so that it can be recorded, damaged, sent twice. */
  seal(to: string, toBoot: number, words: Words = {}): Buffer {
    this.#writer.begin(words, 1_300)
    for (const claim of words.claims ?? []) this.#writer.claim(claim)
    for (const load of words.loads ?? []) this.#writer.load(load)
    return this.envelope.seal(to, toBoot, this.#writer.finish())
  }

  send(bytes: Buffer, port: number): void {
    this.#socket.send(bytes, port, '127.0.0.1')
  }

  /** Learns the boot of the member at `port` as everyone does: by a question that names none. */
  async bootOf(id: string, port: number, claims: readonly Claim[]): Promise<number> {
    let boot = 0
    await until(`${id} answers`, () => {
      this.send(this.seal(id, 0, { claims }), port)
      for (const bytes of this.heard) boot = this.envelope.open(bytes, id)?.boot ?? boot
      return boot > 0
    })
    return boot
  }
}
