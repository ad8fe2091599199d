/** How long the workers of a node are away after a fault, as clients see it. */
import type { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import type { Report } from './report.ts'

const PROBE_INTERVAL_MS = 25
const PROBES_MS_MAX = 15_000
/** The host of a killed node answers until it has noticed; later it has ended. */
const LAST_ANSWERS_MS = 500
/** Under way for one worker: they wait where they are, and must not be a load of their own. */
const PROBES_OPEN_MAX = 4

export const FAILOVERS = ['host killed', 'node killed', 'node paused', 'machine cut off'] as const
export type Failover = (typeof FAILOVERS)[number]

/** Milliseconds from the fault to the first answer, one for each worker that lived there. */
export type FailoverTimes = Readonly<Record<Failover, readonly number[]>>

/**
 * Asks for each worker of the victim again and again from the moment of the fault on, over the
 * fronts in turn. A probe is a request that is safe to repeat, so it waits rather than fails, and
 * the first that is answered, not by what the victim was, tells when somebody served the worker
 * again.
 */
export class Failovers {
  readonly #cluster: TestCluster
  readonly #report: Report
  readonly #clients: readonly Client[]
  readonly #times: Record<Failover, number[]> = {
    'host killed': [],
    'node killed': [],
    'node paused': [],
    'machine cut off': [],
  }

  constructor(components: { cluster: TestCluster; report: Report }) {
    this.#cluster = components.cluster
    this.#report = components.report
    this.#clients = this.#cluster.urls.map((url) => new Client(url, 500))
  }

  get times(): FailoverTimes {
    return this.#times
  }

  /** Runs `fault`, which begins at once, and resolves when it is over and all are served again. */
  async watch(kind: Failover, node: string, fault: () => Promise<void>): Promise<void> {
    const workers = await this.#cluster.get('/api/workers')
    const victims = workers.filter((worker) => worker.node === node)
    const startMs = performance.now()
    const fallen = fault()
    const served = victims.map(async ({ class: name, key }) => {
      const path = `/${name}/${encodeURIComponent(key)}`
      const ms = await this.#served(path, startMs, kind === 'node killed' ? node : undefined)
      if (ms !== undefined) this.#times[kind].push(ms)
      else this.#report.violation(`${kind}: ${name}/${key} is not served ${PROBES_MS_MAX} ms later`)
    })
    await Promise.all([fallen, ...served])
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  /** `victim`: its answers to probes of the first moment do not count. */
  #served(path: string, startMs: number, victim: string | undefined): Promise<number | undefined> {
    return new Promise((resolve) => {
      let count = 0
      let open = 0
      const probe = async (): Promise<void> => {
        if (open >= PROBES_OPEN_MAX) return
        open++
        const client = this.#clients[count++ % this.#clients.length]!
        try {
          const sentMs = performance.now() - startMs
          const { status, node } = await client.send('GET', path)
          const isOld = node === victim && sentMs < LAST_ANSWERS_MS
          if (status === 200 && !isOld) end(performance.now() - startMs)
        } catch {
          // The next one tells.
        }
        open--
      }
      const timer = setInterval(() => {
        if (performance.now() - startMs > PROBES_MS_MAX) end(undefined)
        else void probe()
      }, PROBE_INTERVAL_MS)
      const end = (ms: number | undefined): void => {
        clearInterval(timer)
        resolve(ms)
      }
      void probe()
    })
  }
}
