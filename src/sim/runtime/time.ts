/**
 * Virtual time and seeded chance in place of those of Node, for all code of this thread: timers,
 * `performance.now`, `Date.now`, `Math.random`. A timer belongs to the process that set it: it
 * waits while that is paused and never fires when it is dead.
 */

import { createRequire, syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import perfHooks from 'node:perf_hooks'
import timersPromises from 'node:timers/promises'
import type { Random, TimerHandle } from '../../world.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import { currentProcess } from './process.ts'

const realSetImmediate = setImmediate
let immediates = 0

/** What the patched functions read: the world of the seed that runs now. */
let world: { readonly clock: VirtualClock; readonly random: Random } | undefined

/** From now on time and chance are those of this world. */
export function useWorld(next: { clock: VirtualClock; random: Random }): void {
  world = next
}

/** Resolves when everything that was set off has run: promises, ticks and immediates. */
export async function settle(): Promise<void> {
  do {
    await new Promise<void>((resolve) => void realSetImmediate(resolve))
  } while (immediates > 0)
}

/**
 * As `setTimeout` gives it. One that falls due while its process is paused waits for it to go on, and
 * whoever cancels it then, before its turn, has cancelled it.
 */
class VirtualTimeout {
  #handle: TimerHandle | undefined
  #turn = 0
  readonly #arm: (isDue: () => boolean) => TimerHandle

  constructor(arm: (isDue: () => boolean) => TimerHandle) {
    this.#arm = arm
    this.#set()
  }

  #set(): void {
    const turn = this.#turn
    this.#handle = this.#arm(() => this.#turn === turn)
  }

  cancel(): void {
    this.#turn++
    this.#handle?.cancel()
    this.#handle = undefined
  }

  close(): this {
    this.cancel()
    return this
  }

  refresh(): this {
    this.cancel()
    this.#set()
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return false
  }
}

type Callback = (...args: unknown[]) => void

function virtualTimeout(fire: Callback, delayMs = 0, ...args: unknown[]): VirtualTimeout {
  const owner = currentProcess()
  return new VirtualTimeout((isDue) =>
    world!.clock.after(Number(delayMs) || 0, () => {
      const run = (): void => {
        if (isDue()) fire(...args)
      }
      if (owner) owner.run(run)
      else run()
    }),
  )
}

function virtualInterval(fire: Callback, everyMs = 1, ...args: unknown[]): VirtualTimeout {
  const timer: VirtualTimeout = virtualTimeout(() => {
    timer.refresh()
    fire(...args)
  }, everyMs)
  return timer
}

function clear(timer: unknown): void {
  if (timer instanceof VirtualTimeout) timer.cancel()
}

function countedImmediate(run: Callback, ...args: unknown[]): NodeJS.Immediate {
  immediates++
  return realSetImmediate(() => {
    immediates--
    run(...args)
  })
}

/** A machine that is always as busy. */
const CPU = { user: 0, system: 0 }
const MEMORY_BYTES = 100_000_000
const CORES = 4

/** Once in a thread, before what is to be simulated is loaded. */
export function installTime(): void {
  const now = (): number => world!.clock.nowMs()
  Object.assign(globalThis, {
    setTimeout: virtualTimeout,
    setInterval: virtualInterval,
    setImmediate: countedImmediate,
    clearTimeout: clear,
    clearInterval: clear,
  })
  Object.defineProperty(performance, 'now', { value: now })
  Date.now = () => world!.clock.wallMs()
  Math.random = () => world!.random.next()
  process.hrtime.bigint = () => BigInt(Math.round(now() * 1e6))
  process.cpuUsage = () => CPU
  process.memoryUsage.rss = () => MEMORY_BYTES
  AbortSignal.timeout = (ms) => {
    const abort = new AbortController()
    const message = 'The operation was aborted due to timeout'
    virtualTimeout(() => abort.abort(new DOMException(message, 'TimeoutError')), ms)
    return abort.signal
  }
  const sleep = (ms?: number): Promise<void> =>
    new Promise((resolve) => virtualTimeout(() => resolve(), ms))
  Object.assign(timersPromises, { setTimeout: sleep })
  Object.assign(os, { availableParallelism: () => CORES })
  const quietLoop = { enable: () => true, disable: () => true, reset: () => undefined }
  Object.assign(perfHooks, {
    monitorEventLoopDelay: () => ({ ...quietLoop, percentile: () => 10e6 }),
  })
  syncBuiltinESMExports()
  // undici has one timer for all its clients, in whichever process and seed they are.
  const timers = createRequire(import.meta.url)('undici/lib/util/timers.js') as object
  const own = { setTimeout: virtualTimeout, setFastTimeout: virtualTimeout }
  Object.assign(timers, own, { clearTimeout: clear, clearFastTimeout: clear })
}
