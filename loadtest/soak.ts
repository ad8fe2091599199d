/**
 * `npm run soak`: a mixed load on a real cluster for as long as one likes, while workers move. What
 * every process has of memory and open files is looked at all the time, and must stay flat: the last
 * third of the run is compared with the first after a warm-up. Exits with 1 when a request failed or,
 * in a run of ten minutes or more, something grew.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import { TestCluster } from '../test/helpers/cluster.ts'
import { quantile } from '../test/helpers/load.ts'
import { wholeNumber } from './options.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'
import { SoakLoad } from './soak-load.ts'

const SAMPLE_MS = 5_000
/** Of the run: caches fill, code is compiled, heaps find their size. */
const WARM_UP_PART = 0.2
const QUICK_MINUTES = 1
/** A shorter run tells nothing of what grows slowly. */
const DECIDES_MINUTES = 10
/** What a median may grow by: a part of itself, and at least so much. */
const MAY_GROW = { part: 0.1, memoryMb: 24, files: 12 }
const MOVES_PER_SAMPLE = 5

interface Options {
  readonly minutes: number
  readonly rate: number
  readonly json?: string
  readonly quick?: boolean
}

interface Sample {
  readonly memoryMb: number
  readonly files: number
}

interface Row {
  readonly process: string
  readonly memoryFirstMb: number
  readonly memoryLastMb: number
  readonly memoryMaxMb: number
  readonly filesFirst: number
  readonly filesLast: number
  readonly filesMax: number
  readonly grew: string
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'process', title: 'process' },
  { key: 'memoryFirstMb', title: 'memory first third, MB' },
  { key: 'memoryLastMb', title: 'last' },
  { key: 'memoryMaxMb', title: 'max' },
  { key: 'filesFirst', title: 'files first third' },
  { key: 'filesLast', title: 'last' },
  { key: 'filesMax', title: 'max' },
  { key: 'grew', title: '' },
]

/** Samples of every process of the cluster, by its name. */
class Watch {
  readonly #cluster: TestCluster
  readonly #samples = new Map<string, Sample[]>()

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
  }

  async look(): Promise<void> {
    for (const [name, pid] of await this.#pids()) {
      const sample = sampleOf(pid)
      if (sample) this.#samples.set(name, [...(this.#samples.get(name) ?? []), sample])
    }
  }

  rows(): Row[] {
    return Array.from(this.#samples, ([process, all]) => {
      const third = Math.max(1, Math.floor(all.length / 3))
      const median = (part: readonly Sample[], key: keyof Sample): number =>
        quantile(
          part.map((sample) => sample[key]),
          0.5,
        )
      const [first, last] = [all.slice(0, third), all.slice(-third)]
      const row = {
        process,
        memoryFirstMb: median(first, 'memoryMb'),
        memoryLastMb: median(last, 'memoryMb'),
        memoryMaxMb: Math.max(...all.map(({ memoryMb }) => memoryMb)),
        filesFirst: median(first, 'files'),
        filesLast: median(last, 'files'),
        filesMax: Math.max(...all.map(({ files }) => files)),
      }
      const grew = [
        hasGrown(row.memoryFirstMb, row.memoryLastMb, MAY_GROW.memoryMb) ? 'memory' : '',
        hasGrown(row.filesFirst, row.filesLast, MAY_GROW.files) ? 'files' : '',
      ]
      return { ...row, grew: grew.filter((what) => what !== '').join(' and ') }
    })
  }

  async #pids(): Promise<[string, number][]> {
    const fronts = this.#cluster.frontIds.map((id): [string, number] => [id, this.#cluster.pid(id)])
    const status = await this.#cluster.get('/api/status')
    const nodes = status
      .filter(({ role }) => role === 'node')
      .flatMap(({ id, pid, processes }): [string, number][] => [
        [id, pid],
        ...processes.map((one): [string, number] => [`${id} ${one.role}`, one.pid]),
      ])
    return [...fronts, ...nodes]
  }
}

function hasGrown(first: number, last: number, atLeast: number): boolean {
  return last - first > Math.max(atLeast, first * MAY_GROW.part)
}

/** Linux: from the file system of processes. Undefined when the process has ended. */
function sampleOf(pid: number): Sample | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const memoryKb = Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1])
    return { memoryMb: memoryKb / 1_024, files: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return undefined
  }
}

/** Workers go from node to node while they are used. */
async function moveSome(cluster: TestCluster): Promise<number> {
  const workers = (await cluster.get('/api/workers')).slice(0, MOVES_PER_SAMPLE)
  let moved = 0
  for (const { class: name, key, node } of workers) {
    const to = cluster.nodeIds.find((id) => id !== node)!
    const path = `/api/workers/${name}/${encodeURIComponent(key)}/move`
    if ((await cluster.post(path, { to })).status === 200) moved++
  }
  return moved
}

async function main(options: Options): Promise<number> {
  const minutes = options.quick ? QUICK_MINUTES : options.minutes
  const cluster = await TestCluster.start({ legacy: true, spareHosts: true })
  const load = new SoakLoad(cluster.url, options.rate)
  const watch = new Watch(cluster)
  const latencies: { p50Ms: number; p99Ms: number }[] = []
  let moved = 0
  try {
    const beganMs = performance.now()
    const endMs = beganMs + minutes * 60_000
    const warmMs = beganMs + minutes * 60_000 * WARM_UP_PART
    load.start()
    while (performance.now() < endMs) {
      await sleep(Math.min(SAMPLE_MS, Math.max(0, endMs - performance.now())))
      moved += await moveSome(cluster)
      const times = load.takeLatencies()
      const figures = { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) }
      const isWarm = performance.now() > warmMs
      if (isWarm) {
        latencies.push(figures)
        await watch.look()
      }
      const minute = (performance.now() - beganMs) / 60_000
      progress(
        `${minute.toFixed(1)} of ${minutes} min${isWarm ? '' : ' (warm-up)'}: ${load.sent} requests, p50 ${figures.p50Ms.toFixed(1)} ms, p99 ${figures.p99Ms.toFixed(1)} ms, ${moved} moves, ${faultsOf(load)} faults`,
      )
    }
    await load.stop()
    return report(options, minutes, { watch, load, latencies, moved })
  } finally {
    await load.stop()
    await cluster.stop({ keep: faultsOf(load) > 0 })
    if (faultsOf(load) > 0) progress(`logs are kept in ${cluster.dir}`)
  }
}

function report(
  options: Options,
  minutes: number,
  run: { watch: Watch; load: SoakLoad; latencies: readonly { p99Ms: number }[]; moved: number },
): number {
  const rows = run.watch.rows()
  console.log(`\n${machineLine()}; load and cluster share them`)
  console.log(formatTable(rows, COLUMNS))
  const third = Math.max(1, Math.floor(run.latencies.length / 3))
  const p99 = (part: readonly { p99Ms: number }[]): string =>
    quantile(
      part.map((one) => one.p99Ms),
      0.5,
    ).toFixed(1)
  console.log(
    `${run.load.sent} requests, ${run.load.heard} messages heard, ${run.moved} moves; p99 ${p99(run.latencies.slice(0, third))} ms in the first third, ${p99(run.latencies.slice(-third))} ms in the last`,
  )
  for (const [what, count] of run.load.faults) console.log(`  ${count} × ${what}`)
  const grew = rows.filter((row) => row.grew !== '')
  const decides = minutes >= DECIDES_MINUTES
  if (grew.length > 0 && !decides) {
    console.log(`what grew decides nothing in less than ${DECIDES_MINUTES} minutes`)
  }
  if (options.json) writeJson(options.json, rows)
  return faultsOf(run.load) > 0 || (decides && grew.length > 0) ? 1 : 0
}

function faultsOf(load: SoakLoad): number {
  return [...load.faults.values()].reduce((sum, count) => sum + count, 0)
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0')
  return value
}

await new Command('soak')
  .description('Load a cluster with everything at once and see that nothing grows.')
  .option('--minutes <n>', 'how long', positive, DECIDES_MINUTES)
  .option('--rate <n>', 'requests a second', wholeNumber, 300)
  .option('--quick', `${QUICK_MINUTES} minute`)
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
  .parseAsync()
