import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { adminTokens } from '../../src/auth.ts'
import type { JobInfo, JobSpec } from '../../src/jobs/job.ts'
import { HEADER } from '../../src/wire.ts'
import { ariesHere, cleanEnv, type Outcome } from '../cli/aries.ts'
import { type ClusterOptions, TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url))
export const FOLDER = fileURLToPath(new URL('../jobs/fixtures', import.meta.url))

export interface RunningCommand {
  readonly ended: Promise<Outcome>
  /** What it has printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  kill(signal: NodeJS.Signals): void
}

/** A cluster that runs jobs, and the command line before it. */
export class JobCluster {
  readonly cluster: TestCluster
  readonly #key: string

  private constructor(cluster: TestCluster, key: string) {
    this.cluster = cluster
    this.#key = key
  }

  static async start(
    t: Test,
    jobs: Record<string, unknown>,
    options: ClusterOptions = {},
  ): Promise<JobCluster> {
    const config = {
      host: { leaseMs: 2_000 },
      jobs: { folders: [FOLDER], output: './jobs', graceMs: 700, ...jobs },
    }
    const cluster = await TestCluster.start({ nodes: 2, ...options, config })
    t.teardown(() => cluster.stop())
    return new JobCluster(cluster, options.key ?? '')
  }

  get #auth(): Record<string, string> {
    const [token] = adminTokens(this.#key === '' ? [] : [this.#key])
    return token === undefined ? {} : { [HEADER.auth]: token }
  }

  /** Starts `aries` with `input` as its standard input, or without one. */
  start(args: readonly string[], input?: string, key = this.#key): RunningCommand {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: cleanEnv(this.#env(key)),
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
    let stdout = ''
    let stderr = ''
    child.stdout?.on('data', (part) => {
      stdout += part
    })
    child.stderr?.on('data', (part) => {
      stderr += part
    })
    const ended = new Promise<Outcome>((resolve) => {
      child.on('close', (code) => resolve({ code, stdout, stderr }))
    })
    return { ended, stdout: () => stdout, stderr: () => stderr, kill: (s) => child.kill(s) }
  }

  /** As `start`; only what runs a job has to be a process, for its standard input. */
  aries(...args: string[]): Promise<Outcome> {
    if (args[0] === 'run') return this.start(args).ended
    return ariesHere(args, { env: this.#env(this.#key) })
  }

  #env(key: string): Record<string, string> {
    const env = { ARIES_ADMIN: this.cluster.adminAddress }
    return key === '' ? env : { ...env, ARIES_CLUSTER_KEY: key }
  }

  /** Hands in a job as `aries run --detach` does; resolves with its id. */
  async detach(module: string, args: readonly string[] = [], more: Partial<JobSpec> = {}) {
    const { id } = (await this.#ask('/api/jobs', { module, args, ...more })) as JobInfo
    return id
  }

  async job(id: string): Promise<JobInfo> {
    return (await this.#ask(`/api/jobs/${id}`)) as JobInfo
  }

  async jobs(): Promise<JobInfo[]> {
    return (await this.#ask('/api/jobs?all=true')) as JobInfo[]
  }

  async untilState(id: string, state: JobInfo['state']): Promise<JobInfo> {
    await until(`job ${id} is ${state}`, async () => (await this.job(id))?.state === state)
    return this.job(id)
  }

  /** The admin API, as who has the key; with a `body` by POST. */
  async #ask(path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`http://${this.cluster.adminAddress}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...this.#auth },
      body: body === undefined ? null : JSON.stringify(body),
    })
    const answer: unknown = await response.json()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`)
    return answer
  }

  /** Process ids that `stay.ts` printed. */
  async pids(id: string): Promise<number[]> {
    let pids: number[] = []
    await until('the job tells its processes', async () => {
      const { stdout } = await this.aries('logs', id)
      pids = /pids (\d+) (\d+)/.exec(stdout)?.slice(1).map(Number) ?? []
      return pids.length === 2
    })
    return pids
  }
}

/** Whether the process is there, and not only waits to be buried. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
