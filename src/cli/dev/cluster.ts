/** The processes of `aries dev` together: started, waited for, told about, ended in order. */
import { renameSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Address } from '../../config/address.ts'
import { formatAddress } from '../../config/address.ts'
import { formatFile } from '../../config/problems.ts'
import type { Config } from '../../config/schema.ts'
import { AriesError } from '../../errors.ts'
import { ensureFolder } from '../../folder.ts'
import { entryUrl } from '../../module-url.ts'
import { AdminClient } from '../client.ts'
import { EXIT } from '../output.ts'
import { upstreamId } from './banner.ts'
import { type ChildHandlers, DevChild } from './child.ts'

const READY_POLL_MS = 50
const READY_TIMEOUT_MS = 30_000
const PROBE_TIMEOUT_MS = 1_000
/** The front finishes what is in flight; then the nodes end; then what is left is killed. */
const FRONTS_STOP_MS = 2_500
const ALL_STOP_MS = 4_300

const SAME_NEWS_MS = 3_000
const TOLD_MAX = 100

export interface DevClusterInit {
  readonly config: Config
  readonly upstreams: readonly Address[]
  /** Passed on to the members when the map is not the configuration's own. */
  readonly mapFile?: string
  readonly logFolder: string
  readonly restart: boolean
}

export class DevCluster {
  readonly #config: Config
  readonly #fronts: DevChild[]
  readonly #others: DevChild[]
  readonly #probes = new Map<string, () => Promise<string | undefined>>()
  readonly #tell: (line: string) => void
  readonly #restart: boolean
  readonly #told = new Map<string, number>()
  #started = false
  #stopping = false
  #map: Config['map']

  constructor(tell: (line: string) => void, init: DevClusterInit) {
    const { config } = init
    this.#config = config
    this.#map = config.map
    this.#tell = tell
    this.#restart = init.restart
    ensureFolder(init.logFolder)
    this.#fronts = config.map.fronts.map(({ id, host, admin }) => {
      this.#probes.set(id, () => askReady(formatAddress(host, admin)))
      return this.#member('front', id, init)
    })
    const nodes = config.map.nodes.map(({ id, host, admin }) => {
      this.#probes.set(id, () => askReady(formatAddress(host, admin)))
      return this.#member('node', id, init)
    })
    this.#others = [...init.upstreams.map((address) => this.#upstream(address, init)), ...nodes]
  }

  get children(): readonly DevChild[] {
    return [...this.#fronts, ...this.#others]
  }

  get pids(): ReadonlyMap<string, number | undefined> {
    return new Map(this.children.map(({ id, pid }) => [id, pid]))
  }

  /** Starts all and waits until all are ready. Throws, with nothing left running, when one cannot. */
  async start(): Promise<void> {
    for (const child of this.children) child.start()
    try {
      await Promise.all(this.children.map((child) => this.#waitReady(child, true)))
      this.#started = true
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** A node that leaves the map ends by itself; that is no death. */
  setMap(map: Config['map']): void {
    const before = new Set(this.#map.nodes.map((node) => node.id))
    this.#map = map
    for (const { id } of map.nodes) {
      if (!before.has(id))
        this.#tell(`${id} is in the map now; start it with: npx aries node --id ${id}`)
    }
  }

  /** Ends all within 5 s, fronts first. */
  async stop(): Promise<void> {
    this.#stopping = true
    const kill = setTimeout(() => this.kill(), ALL_STOP_MS)
    const fronts = Promise.all(this.#fronts.map((child) => child.stop()))
    await Promise.race([fronts, sleep(FRONTS_STOP_MS, undefined, { ref: false })])
    await Promise.all([fronts, ...this.#others.map((child) => child.stop())])
    clearTimeout(kill)
  }

  kill(): void {
    this.#stopping = true
    for (const child of this.children) child.kill()
  }

  #member(role: 'front' | 'node', id: string, init: DevClusterInit): DevChild {
    const main = fileURLToPath(entryUrl('../main.ts', import.meta.url))
    const map = init.mapFile === undefined ? [] : ['--map', init.mapFile]
    const args = [main, role, '--id', id, '--config', init.config.file, ...map]
    return this.#child(id, args, init)
  }

  #upstream(address: Address, init: DevClusterInit): DevChild {
    const module = fileURLToPath(entryUrl('../../../workers/legacy.ts', import.meta.url))
    const id = upstreamId(address)
    this.#probes.set(id, () => askConnect(address))
    return this.#child(id, [module, formatAddress(address.host, address.port)], init)
  }

  #child(id: string, args: string[], init: DevClusterInit): DevChild {
    const logFile = join(init.logFolder, `${id}.log`)
    keepLast(logFile)
    return new DevChild(this.#handlers(), { id, args, logFile })
  }

  #handlers(): ChildHandlers {
    return {
      tell: (child, line) => {
        if (!this.#stopping && this.#isNews(line)) this.#tell(`${child.id}  ${line}`)
      },
      died: (child, how, restartMs) => {
        if (!this.#isDeclared(child)) this.#tell(`${child.id} left the cluster`)
        else this.#tell(`${child.id} ${how}; ${nextOf(child, restartMs)}`)
      },
      restarted: (child) => {
        this.#waitReady(child, false).then(
          () => this.#tell(`${child.id} is back (pid ${child.pid})`),
          () => {},
        )
      },
      mayRestart: (child) => this.#restart && this.#started && this.#isDeclared(child),
    }
  }

  /** What every member says at once is told once. */
  #isNews(line: string): boolean {
    const now = performance.now()
    const toldMs = this.#told.get(line)
    if (this.#told.size >= TOLD_MAX) this.#told.clear()
    this.#told.set(line, now)
    return toldMs === undefined || now - toldMs > SAME_NEWS_MS
  }

  #isDeclared(child: DevChild): boolean {
    const declaredBefore = this.#config.map.nodes.some(({ id }) => id === child.id)
    return !declaredBefore || this.#map.nodes.some(({ id }) => id === child.id)
  }

  /** `first`: an end means that it cannot run at all; later ends are the restart's matter. */
  async #waitReady(child: DevChild, first: boolean): Promise<void> {
    const deadlineMs = performance.now() + READY_TIMEOUT_MS
    const probe = this.#probes.get(child.id)!
    for (;;) {
      const why = await probe()
      if (why === undefined && child.running) return
      if (this.#stopping || !child.running) throw neverReady(child, 'it ended')
      if (performance.now() > deadlineMs && first) throw neverReady(child, why ?? 'it ended')
      await sleep(READY_POLL_MS)
    }
  }
}

function nextOf(child: DevChild, restartMs: number | undefined): string {
  const log = `log: ${formatFile(child.logFile)}`
  if (restartMs === undefined) return `it is not started again (${log})`
  return `it is started again in ${restartMs / 1000} s (${log})`
}

function neverReady(child: DevChild, why: string): AriesError {
  const code = child.exitCode === EXIT.config ? 'ARIES_E_CONFIG' : 'ARIES_E_NODE_UNREACHABLE'
  const log = formatFile(child.logFile)
  return new AriesError(code, `${child.id} did not get ready: ${why}; see ${log}`)
}

/** Why it is not ready; undefined when it is. */
async function askReady(admin: string): Promise<string | undefined> {
  const client = new AdminClient(admin)
  try {
    const answer = await client.ready(PROBE_TIMEOUT_MS)
    if (answer === undefined) return 'its admin API does not answer'
    return answer.ready ? undefined : answer.notes.join('; ') || 'it says no reason'
  } finally {
    await client.close()
  }
}

function askConnect({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS })
    const end = (why: string | undefined): void => {
      socket.destroy()
      resolve(why)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end('it does not answer'))
    socket.once('error', () => end('nobody listens there'))
  })
}

/** One older log is kept beside the new one. */
function keepLast(file: string): void {
  try {
    renameSync(file, `${file}.1`)
  } catch {
    // There is none yet.
  }
}
