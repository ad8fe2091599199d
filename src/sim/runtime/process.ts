/** A process of the simulated world: what runs in it, and what becomes of that when it is stopped. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { VirtualClock } from '../virtual-clock.ts'

/** The process whose code runs now; undefined in the simulator's own. */
const running = new AsyncLocalStorage<VirtualProcess>()

export function currentProcess(): VirtualProcess | undefined {
  return running.getStore()
}

export class VirtualProcess {
  readonly name: string
  /** Processes of one machine share its network. */
  readonly machine: string
  readonly #clock: VirtualClock
  #dead = false
  #paused = false
  #held: (() => void)[] = []
  readonly #onDeath: (() => void)[] = []

  constructor(clock: VirtualClock, name: string, machine: string) {
    this.#clock = clock
    this.name = name
    this.machine = machine
  }

  get dead(): boolean {
    return this.#dead
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Something happens to the process: at once, when it goes on, or never. */
  run(event: () => void): void {
    if (this.#dead) return
    if (this.#paused) this.#held.push(event)
    else running.run(this, event)
  }

  /** SIGSTOP: timers and messages wait. */
  pause(): void {
    this.#paused = true
  }

  /** SIGCONT: what waited comes at once, one after the other. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    for (const event of this.#held.splice(0)) this.#clock.after(0, () => this.run(event))
  }

  onDeath(listener: () => void): void {
    this.#onDeath.push(listener)
  }

  /** SIGKILL: nothing of it runs any more. */
  kill(): void {
    if (this.#dead) return
    this.#dead = true
    this.#held = []
    for (const listener of this.#onDeath.splice(0)) listener()
  }
}
