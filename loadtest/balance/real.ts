/** The part of `bench:balance` with a real front and real backends, in processes of their own. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import { type Random, seededRandom } from '../../src/world.ts'
import { progress } from '../report.ts'
import { type BackendsInit, WORK_HEADER } from './backends-child.ts'
import { CONTENDERS, type Contender } from './contenders.ts'
import type { FrontInit } from './front-child.ts'
import { capacity, MODEL, type Model, work } from './model.ts'
import { compare, type Row, rowOf } from './rows.ts'

/**
 * Twice the work of the simulator: half of the requests, so that the cores that load, front and
 * backends share are not what is measured.
 */
const REAL: Model = { ...MODEL, backends: 16, workMs: 80 }
const DEADLINE_MS = 2_000
const WARM_UP_MS = 1_000
const TICK_MS = 1

export interface RealOptions {
  readonly loads: readonly number[]
  readonly measuredMs: number
  readonly rounds: number
}

async function start<T>(file: string, init: object): Promise<{ child: ChildProcess; told: T }> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = fork(path, [JSON.stringify(init)], { execArgv: [] })
  const [told] = (await once(child, 'message')) as [T]
  return { child, told }
}

/** Requests at random times, whatever became of those before; latencies from when each was due. */
class Load {
  readonly latencies: number[] = []
  /** How much later than due each request was sent. */
  readonly lateMs: number[] = []
  errors = 0
  readonly #url: string
  readonly #random: Random
  readonly #dispatcher = new Agent({ connections: 4_096 })
  readonly #perMs: number
  #pending: Promise<void>[] = []

  constructor(init: { readonly url: string; readonly seed: number; readonly load: number }) {
    this.#url = init.url
    this.#random = seededRandom(init.seed)
    this.#perMs = capacity(REAL) * init.load
  }

  async run(measuredMs: number): Promise<void> {
    const beganMs = performance.now()
    const endMs = beganMs + WARM_UP_MS + measuredMs
    let dueMs = beganMs
    while (dueMs < endMs) {
      for (const nowMs = performance.now(); dueMs <= nowMs && dueMs < endMs; ) {
        this.lateMs.push(nowMs - dueMs)
        this.#pending.push(this.#ask(dueMs, dueMs - beganMs >= WARM_UP_MS))
        dueMs += -Math.log(1 - this.#random.next()) / this.#perMs
      }
      await new Promise((tick) => setTimeout(tick, TICK_MS))
    }
    await Promise.all(this.#pending)
    await this.#dispatcher.destroy()
  }

  async #ask(dueMs: number, counts: boolean): Promise<void> {
    let ok = false
    try {
      const { statusCode, body } = await request(this.#url, {
        dispatcher: this.#dispatcher,
        headers: { [WORK_HEADER]: work(this.#random, REAL.workMs).toFixed(3) },
        signal: AbortSignal.timeout(DEADLINE_MS),
      })
      await body.dump()
      ok = statusCode === 200
    } catch {
      // Not answered within the deadline.
    }
    if (!counts) return
    const ms = performance.now() - dueMs
    const missed = !ok || ms > DEADLINE_MS
    if (missed) this.errors++
    this.latencies.push(missed ? DEADLINE_MS : ms)
  }
}

async function measure(contender: Contender, init: { load: number; seed: number; ms: number }) {
  const { load, seed, ms } = init
  const backendsInit: BackendsInit = { model: REAL, seed, tells: contender.tells }
  const backends = await start<number[]>('./backends-child.ts', backendsInit)
  const frontInit: FrontInit = {
    contender: contender.name,
    ports: backends.told,
    deadlineMs: DEADLINE_MS,
  }
  const front = await start<number>('./front-child.ts', frontInit)
  try {
    const run = new Load({ url: `http://127.0.0.1:${front.told}/`, seed, load })
    await run.run(ms)
    return run
  } finally {
    for (const { child } of [front, backends]) {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
  }
}

/** Every policy in turns, front and backends started anew for each; rounds are put together. */
export async function runReal({
  loads,
  measuredMs,
  rounds,
}: RealOptions): Promise<{ rows: Row[]; lateP99Ms: number }> {
  const rows: Row[] = []
  let lateP99Ms = 0
  for (const load of loads) {
    const sums = CONTENDERS.map(() => ({ latencies: [] as number[], errors: 0 }))
    for (let round = 1; round <= rounds; round++) {
      for (const [i, contender] of CONTENDERS.entries()) {
        progress(`real, load ${load}, round ${round} of ${rounds}: ${contender.name}`)
        const got = await measure(contender, { load, seed: round, ms: measuredMs })
        sums[i]!.latencies.push(...got.latencies)
        sums[i]!.errors += got.errors
        lateP99Ms = Math.max(lateP99Ms, p99(got.lateMs))
      }
    }
    const step = CONTENDERS.map((contender, i) =>
      rowOf('real', { fronts: 1, load }, contender, sums[i]!),
    )
    compare(step)
    rows.push(...step)
  }
  return { rows, lateP99Ms }
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0
}
