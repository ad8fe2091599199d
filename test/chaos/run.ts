/** A chaos run: a cluster, a load, a nemesis, and the checks. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { seededRandom } from '../../src/world.ts'
import { TestCluster, until } from '../helpers/cluster.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { Crowd } from './crowd.ts'
import { unexpected } from './logs.ts'
import { Nemesis } from './nemesis.ts'
import { Report } from './report.ts'
import { Workload } from './workload.ts'

const LOG = fileURLToPath(new URL('./fixtures/log.ts', import.meta.url))
const START_MS = 30_000
const CALM_MS = 1_000
/** Resident memory of one process; it has about 130 MB when it starts. */
const MEMORY_BYTES_MAX = 600 * 1024 * 1024

export interface ChaosOptions {
  readonly seed: number
  readonly ms: number
  readonly store: 'sqlite' | 'postgres'
  readonly nodes: number
  readonly fronts: number
  /** Only deeds whose name has this in it; empty: all. */
  readonly only: string
  /** Longest pause of a process. */
  readonly pauseMsMax: number
  /** After a fault has ended everything works again within this time. */
  readonly recoveryMs: number
  readonly perSecond: number
  readonly clients: number
  readonly progress: (line: string) => void
}

export interface ChaosResult {
  readonly seed: number
  readonly store: string
  readonly sent: number
  readonly acknowledged: number
  readonly refused: number
  readonly unknown: number
  readonly said: number
  readonly reconnects: number
  readonly events: number
  readonly recoveriesMs: readonly number[]
  /** What failed while something was broken, and how often. */
  readonly failures: Readonly<Record<string, number>>
  readonly violations: readonly string[]
  /** The violations with what happened around them; empty when there are none. */
  readonly details: string
}

/** Runs; resolves with what was found. Leaves nothing behind. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, nodes, fronts, store, progress } = options
  const postgres = store === 'postgres' ? await startPostgres() : undefined
  try {
    const cluster = await TestCluster.start({
      nodes,
      fronts,
      ...(postgres && { store: postgres.url }),
      routes: [{ path: '/log/:key', worker: LOG }],
      config: { log: { level: 'info' } },
    })
    const report = new Report(progress)
    try {
      const run = new Run(cluster, report, options, postgres && (() => postgres.restart()))
      await run.all()
      const result = run.result()
      if (result.violations.length > 0) progress(`seed ${seed}`)
      return result
    } finally {
      await cluster.stop()
    }
  } finally {
    await postgres?.stop()
  }
}

class Run {
  readonly #cluster: TestCluster
  readonly #report: Report
  readonly #options: ChaosOptions
  readonly #workload: Workload
  readonly #crowd: Crowd
  readonly #nemesis: Nemesis
  #events = 0

  constructor(
    cluster: TestCluster,
    report: Report,
    options: ChaosOptions,
    restartStore: (() => Promise<void>) | undefined,
  ) {
    const { urls } = cluster
    const random = seededRandom(options.seed)
    this.#cluster = cluster
    this.#report = report
    this.#options = options
    this.#workload = new Workload(
      { random: seededRandom(options.seed + 1), report },
      { urls, perSecond: options.perSecond },
    )
    this.#crowd = new Crowd({ report }, { urls, count: options.clients })
    this.#nemesis = new Nemesis({ cluster, random, report, restartStore }, options)
  }

  async all(): Promise<void> {
    const endMs = performance.now() + this.#options.ms
    this.#crowd.start()
    this.#workload.start()
    try {
      let well = await this.#begins()
      while (well && performance.now() < endMs) {
        await this.#deed()
        well = await this.#heals()
      }
    } finally {
      await this.#workload.stop()
      await this.#crowd.stop()
    }
    await this.#checkEnd()
    this.#crowd.end()
    await this.#workload.close()
  }

  result(): ChaosResult {
    const { operations, violations, recoveriesMs, failures } = this.#report
    const count = (outcome: string): number =>
      operations.filter((op) => op.outcome === outcome).length
    return {
      seed: this.#options.seed,
      store: this.#options.store,
      sent: operations.length,
      acknowledged: count('ok'),
      refused: count('failed'),
      unknown: count('unknown'),
      said: this.#crowd.said,
      reconnects: this.#crowd.reconnects,
      events: this.#events,
      recoveriesMs,
      failures,
      violations,
      details: violations.length > 0 ? this.#report.details() : '',
    }
  }

  async #deed(): Promise<void> {
    const deed = this.#nemesis.next()
    this.#events++
    if (!deed.planned) this.#report.setBroken()
    this.#report.event(deed.name)
    try {
      await deed.run()
    } catch (error) {
      this.#report.violation(`${deed.name}: ${inspect(error)}`)
    }
  }

  /** A cluster that has just started makes its workers first. */
  async #begins(): Promise<boolean> {
    await until('everyone is served', async () => (await this.#missing()) === undefined, START_MS)
    this.#report.setCalm()
    return this.#heals()
  }

  /** Waits until everything works, then that nothing fails for a while. */
  async #heals(): Promise<boolean> {
    const { recoveryMs } = this.#options
    const startMs = performance.now()
    let missing: string | undefined
    const works = async (): Promise<boolean> => {
      missing = 'an answer'
      missing = await this.#missing()
      return missing === undefined
    }
    try {
      await until('everything works', works, recoveryMs)
    } catch (error) {
      const cause = inspect((error as Error).cause)
      this.#report.violation(`not well ${recoveryMs} ms later: ${missing}, ${cause}`)
      return false
    }
    if (this.#report.calm === undefined) {
      this.#report.recovered(performance.now() - startMs)
      this.#report.setCalm()
    }
    await new Promise((resolve) => setTimeout(resolve, CALM_MS))
    return true
  }

  async #missing(): Promise<string | undefined> {
    const cluster = this.#cluster
    const { members } = await cluster.get('/api/cluster')
    for (const id of cluster.nodeIds) {
      const member = members.find((one) => one.id === id)
      if (member?.state !== 'alive' || member.draining) return `${id} is ${member?.state}`
      const ready = await fetch(`http://127.0.0.1:${cluster.adminPort(id)}/readyz`)
      if (ready.status !== 200) return `${id}: ${await ready.text()}`
    }
    return this.#crowd.notServed() ?? this.#workload.notServed()
  }

  async #checkEnd(): Promise<void> {
    await this.#workload.check()
    const owners = new Map<string, string>()
    for (const { class: name, key, node } of await this.#cluster.get('/api/workers')) {
      const worker = `${name}/${key}`
      const other = owners.get(worker)
      if (other) this.#report.violation(`${worker} is open on ${other} and on ${node}`)
      owners.set(worker, node)
    }
    await this.#checkProcesses()
    for (const line of unexpected(this.#cluster.dir)) this.#report.violation(`log: ${line}`)
  }
  /** A node has a pool and a host process and no others, and none has grown out of bounds. */
  async #checkProcesses(): Promise<void> {
    for (const { id, pid } of await this.#cluster.get('/api/status')) {
      const children = childrenOf(pid)
      if (children.length > 2) {
        this.#report.violation(`${id} has ${children.length} child processes`)
      }
      for (const each of [pid, ...children]) {
        const bytes = residentBytes(each)
        if (bytes > MEMORY_BYTES_MAX)
          this.#report.violation(`process ${each} of ${id}: ${bytes} bytes`)
      }
    }
  }
}

/** Linux: from the file system of processes. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
}
