/** A chaos run: a cluster, a load, a nemesis, and the checks. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { untilAborted } from '../../src/abort.ts'
import { seededRandom } from '../../src/world.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { canMakeMachines, Machines, SWITCH_ADDRESS, SWITCH_SUBNET } from '../helpers/machines.ts'
import { type Postgres, startPostgres } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'
import { Crowd } from './crowd.ts'
import { historyLines } from './export.ts'
import { Failovers, type FailoverTimes } from './failover.ts'
import { unexpected } from './logs.ts'
import { Nemesis, type NemesisComponents } from './nemesis.ts'
import { Report } from './report.ts'
import { Workload } from './workload.ts'

const LOG = fileURLToPath(new URL('./fixtures/log.ts', import.meta.url))
const START_MS = 30_000
/** Of a cluster on several machines, which must have one. */
const CLUSTER_KEY = 'the key of a cluster that is not for long'
/** Pool, host and spare. */
const CHILDREN_MAX = 3
/** What runs in processes of old code gets this long. */
const OLD_CODE_MS = 40_000
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
  /** Ends the run before its time; what it started is ended, then it rejects. */
  readonly signal?: AbortSignal
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
  readonly failoversMs: FailoverTimes
  /** What failed while something was broken, and how often. */
  readonly failures: Readonly<Record<string, number>>
  readonly violations: readonly string[]
  /** The violations with what happened around them; empty when there are none. */
  readonly details: string
  /** Every operation as a line of JSON; see `export.ts`. */
  readonly history: string
}

/** Runs; resolves with what was found. Leaves nothing behind. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  if (options.store === 'sqlite') return onStore(options, undefined, undefined)
  // What is cut off must be a machine of its own, and SQLite is for one.
  const machines = canMakeMachines() ? await Machines.start(options.nodes) : undefined
  try {
    const at = { host: SWITCH_ADDRESS, from: SWITCH_SUBNET }
    const postgres = await startPostgres(machines ? { at } : {})
    try {
      return await onStore(options, postgres, machines)
    } finally {
      await postgres.stop()
    }
  } finally {
    await machines?.stop()
  }
}

async function onStore(
  options: ChaosOptions,
  postgres: Postgres | undefined,
  machines: Machines | undefined,
): Promise<ChaosResult> {
  const { seed, nodes, fronts, progress, signal } = options
  const cluster = await TestCluster.start({
    nodes,
    fronts,
    key: CLUSTER_KEY,
    spareHosts: true,
    ...(postgres && { store: postgres.url }),
    ...(machines && { machines }),
    routes: [{ path: '/log/:key', worker: LOG }],
    config: { log: { level: 'info' } },
  })
  const report = new Report(progress)
  const failovers = new Failovers({ cluster, report })
  try {
    const restartStore = postgres?.restart.bind(postgres)
    const run = new Run({ cluster, report, failovers, restartStore, machines }, options)
    await (signal ? untilAborted(run.all(), signal) : run.all())
    return run.result()
  } finally {
    const keep = report.violations.length > 0
    if (keep) progress(`seed ${seed}; logs and store are kept in ${cluster.dir}`)
    await failovers.close()
    await cluster.stop({ keep })
  }
}

type RunComponents = Omit<NemesisComponents, 'random'>

class Run {
  readonly #cluster: TestCluster
  readonly #report: Report
  readonly #failovers: Failovers
  readonly #options: ChaosOptions
  readonly #workload: Workload
  readonly #crowd: Crowd
  readonly #nemesis: Nemesis
  #events = 0

  constructor(components: RunComponents, options: ChaosOptions) {
    const { cluster, report, failovers } = components
    const { urls } = cluster
    const random = seededRandom(options.seed)
    this.#cluster = cluster
    this.#report = report
    this.#failovers = failovers
    this.#options = options
    this.#workload = new Workload(
      { random: seededRandom(options.seed + 1), report },
      { urls, perSecond: options.perSecond },
    )
    this.#crowd = new Crowd({ report }, { urls, count: options.clients })
    this.#nemesis = new Nemesis({ ...components, random }, options)
  }

  async all(): Promise<void> {
    this.#crowd.start()
    this.#workload.start()
    try {
      let well = await this.#begins()
      const endMs = performance.now() + this.#options.ms
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
      failoversMs: this.#failovers.times,
      failures,
      violations,
      details: violations.length > 0 ? this.#report.details() : '',
      history: historyLines(operations, this.#workload.finals),
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
      const ready = await fetch(`${cluster.adminUrl(id)}/readyz`)
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

  /** Processes of the code before a deploy have ended. */
  async #settled(id: string, pid: number): Promise<void> {
    const few = (): boolean => childrenOf(pid).length <= CHILDREN_MAX
    await until('the processes of old code end', few, OLD_CODE_MS).catch(() => {
      this.#report.violation(`${id} has ${childrenOf(pid).length} child processes`)
    })
  }

  /** A node has its processes and no others, and none has grown out of bounds. */
  async #checkProcesses(): Promise<void> {
    for (const { id, pid } of await this.#cluster.get('/api/status')) {
      await this.#settled(id, pid)
      const children = childrenOf(pid)
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
