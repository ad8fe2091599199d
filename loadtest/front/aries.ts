/** A front of one shard and its origin, for runs that need no other proxy. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../test/helpers/ports.ts'
import { usageOf } from '../processes.ts'
import { CERTIFICATE, type Ports, type Setup, writeAries } from './configs.ts'
import { startAries } from './contenders.ts'
import { forkPinned, LOAD_CORE, stopProcess } from './pinned.ts'

const ORIGIN = fileURLToPath(new URL('./origin-child.ts', import.meta.url))

export class AriesFront {
  readonly ports: Ports
  readonly #child: ChildProcess
  readonly #origin: ChildProcess
  readonly #folder: string

  private constructor(children: readonly [ChildProcess, ChildProcess], setup: Setup) {
    ;[this.#child, this.#origin] = children
    this.ports = setup.ports
    this.#folder = setup.folder
  }

  /** `front`: limits that are not the default. */
  static async start(front: object): Promise<AriesFront> {
    const folder = mkdtempSync(join(tmpdir(), 'aries-front-'))
    const [http, https, tcp, ...own] = (await freePorts(8)) as [number, number, number, ...number[]]
    const origin = await forkPinned<Setup['origin']>(LOAD_CORE, ORIGIN)
    const setup = {
      folder,
      ports: { http, https, tcp },
      origin: origin.told,
      certificate: CERTIFICATE,
    }
    const child = await startAries(writeAries(setup, own, front), setup.ports)
    return new AriesFront([child, origin.child], setup)
  }

  /** Of the whole process, bytes. */
  get memory(): number {
    return usageOf([this.#child.pid!]).memory
  }

  get openFiles(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length
  }

  async stop(): Promise<void> {
    await Promise.all([this.#child, this.#origin].map(stopProcess))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
