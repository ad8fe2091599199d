/** Child processes and threads of simulated processes, in place of those of Node. */
import childProcess from 'node:child_process'
import { EventEmitter } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import workerThreads from 'node:worker_threads'
import type { Random } from '../../world.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import { currentProcess, VirtualProcess } from './process.ts'

/** What a program does with the messages of its parent. */
export interface Program {
  /** A message came from the parent; `reply` sends one back. */
  start(self: VirtualProcess, reply: (message: object) => void): (message: object) => void
}

export interface ChildrenComponents {
  readonly clock: VirtualClock
  readonly random: Random
  /** The program of an entry module, by the end of its path. */
  readonly program: (entry: string) => Program
  readonly born: (child: VirtualProcess, parent: VirtualProcess) => void
  readonly died: (child: VirtualProcess) => void
}

let components: ChildrenComponents | undefined

export function useChildren(next: ChildrenComponents): void {
  components = next
}

const MESSAGE_MS = 0.1
/** A child notices so late at most that its parent is gone. */
const ORPHAN_MS = 4
let pids = 1_000

class VirtualChild extends EventEmitter {
  readonly pid = ++pids
  connected = true
  exitCode: number | null = null
  signalCode: string | null = null
  readonly #c: ChildrenComponents
  readonly #parent: VirtualProcess
  readonly #process: VirtualProcess
  readonly #handle: (message: object) => void

  constructor(entry: string) {
    super()
    this.#c = components!
    const { clock, random } = this.#c
    const parent = currentProcess()!
    this.#parent = parent
    const program = entry.replace(/^.*\/(\w+)\/main\.\w+$/, '$1')
    this.#process = new VirtualProcess(clock, `${parent.name}/${program}`, parent.machine)
    this.#c.born(this.#process, parent)
    this.#process.onDeath(() => this.#died())
    parent.onDeath(() => clock.after(random.next() * ORPHAN_MS, () => this.#process.kill()))
    this.#handle = this.#c.program(entry).start(this.#process, (message) => this.#reply(message))
  }

  send(message: object, sent?: (error: Error | null) => void): boolean {
    if (!this.connected) return false
    const copy = structuredClone(message)
    this.#c.clock.after(MESSAGE_MS, () => this.#process.run(() => this.#handle(copy)))
    sent?.(null)
    return true
  }

  kill(): boolean {
    this.#process.kill()
    return true
  }

  #reply(message: object): void {
    if (this.#process.dead) return
    const copy = structuredClone(message)
    this.#c.clock.after(MESSAGE_MS, () => this.#parent.run(() => this.emit('message', copy)))
  }

  #died(): void {
    this.#c.died(this.#process)
    this.connected = false
    this.signalCode = 'SIGKILL'
    this.#c.clock.after(MESSAGE_MS, () =>
      this.#parent.run(() => this.emit('exit', null, 'SIGKILL')),
    )
  }
}

/** A thread of a front: part of its process, with an event loop that is as fast. */
class VirtualThread extends EventEmitter {
  readonly #c: ChildrenComponents
  readonly #process: VirtualProcess
  readonly #handle: (message: object) => void

  constructor(entry: URL, init: { workerData: object }) {
    super()
    this.#c = components!
    this.#process = currentProcess()!
    this.#handle = this.#c.program(entry.pathname).start(this.#process, (message) => {
      this.#later(() => this.emit('message', message))
    })
    this.#later(() => this.#handle(init.workerData))
  }

  postMessage(message: object): void {
    this.#later(() => this.#handle(message))
  }

  async terminate(): Promise<number> {
    this.#later(() => this.emit('exit', 0))
    return 0
  }

  #later(run: () => void): void {
    this.#c.clock.after(MESSAGE_MS, () => this.#process.run(run))
  }
}

/** Once in a thread, before what is to be simulated is loaded. */
export function installChildren(): void {
  Object.assign(childProcess, { fork: (entry: string) => new VirtualChild(entry) })
  Object.assign(workerThreads, { Worker: VirtualThread })
  syncBuiltinESMExports()
}
