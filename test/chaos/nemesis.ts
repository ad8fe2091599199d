/** What is done to the cluster of a chaos run, chosen by the seed. */
import type { DeployReport } from '../../src/rpc.ts'
import { type Random, randomInt, sample } from '../../src/world.ts'
import type { TestCluster } from '../helpers/cluster.ts'
import type { Machines } from '../helpers/machines.ts'
import type { Ending } from '../helpers/postgres.ts'
import type { Failovers } from './failover.ts'
import type { Report } from './report.ts'

const PAUSE_MS_MIN = 200
/** Back at once, or after everyone has noticed. */
const AWAY_MS = [0, 500, 2_500]
const MOVES_AT_ONCE = 6

export interface NemesisComponents {
  readonly cluster: TestCluster
  readonly random: Random
  readonly report: Report
  readonly failovers: Failovers
  /** Absent: the run has no PostgreSQL. */
  readonly restartStore: ((ending: Ending) => Promise<void>) | undefined
  /** Absent: no machine can be cut off. */
  readonly machines: Machines | undefined
}

export interface NemesisInit {
  /** Only deeds whose name has this in it; to reduce a violation. */
  readonly only: string
  readonly pauseMsMax: number
}

interface Deed {
  readonly name: string
  /** Planned: no request may fail, no socket may close. */
  readonly planned: boolean
  run(): Promise<void>
}

/** Which processes of a node. */
type Part = 'node' | 'host' | 'spare' | 'pool'
const WHOLE: readonly Part[] = ['node', 'host', 'spare', 'pool']
/** A shorter pause may end before anyone has noticed: how long a failover takes, it does not tell. */
const NOTICED_MS = 2_000

export class Nemesis {
  readonly #c: NemesisComponents
  readonly #pauseMsMax: number
  readonly #deeds: readonly Deed[]
  #bag: Deed[] = []

  constructor(components: NemesisComponents, init: NemesisInit) {
    this.#c = components
    this.#pauseMsMax = init.pauseMsMax
    const fault = (name: string, run: () => Promise<void>): Deed => ({ name, planned: false, run })
    const planned = (name: string, run: () => Promise<void>): Deed => ({ name, planned: true, run })
    const deeds = [
      planned('moves', () => this.#moves()),
      planned('one worker asked to two places at once', () => this.#twoMoves()),
      planned('drain and undrain', () => this.#drain()),
      planned('restart of a node', () => this.#restart()),
      planned('restart of one node after another', () => this.#restartAll()),
      planned('leave and join by the map', () => this.#leaveAndJoin()),
      planned('deploy on a node', () => this.#deploy(this.#nodes(1))),
      planned('deploy on all nodes', () => this.#deploy(this.#c.cluster.nodeIds)),
      fault('deploy while the host dies', () => this.#deployAndKill()),
      fault('kill a node', () => this.#killNode()),
      fault('kill a host', () => this.#killHost()),
      fault('kill a pool', () => this.#killPool()),
      fault('pause a whole node', () => this.#pauseWhole()),
      fault('pause a control loop', () => this.#pause(this.#nodes(1), ['node'])),
      fault('pause a host', () => this.#pause(this.#nodes(1), ['host'])),
      fault('pause a host and its control loop', () =>
        this.#pause(this.#nodes(1), ['node', 'host']),
      ),
      fault('kill a node while another is paused', () => this.#killAndPause()),
      fault('moves to a paused host', () => this.#movesAndPause('to', ['host'])),
      fault('moves from a paused host', () => this.#movesAndPause('from', ['host'])),
      fault('moves from a node whose control loop is paused', () =>
        this.#movesAndPause('from', ['node']),
      ),
      fault('drain while a target dies', () => this.#drainAndKill('target')),
      fault('drain while the host of the node dies', () => this.#drainAndKill('source')),
      fault('moves to a node that dies', () => this.#movesAndKill()),
      fault('restart of a front', () => this.#restartFront()),
      ...(components.restartStore
        ? [
            fault('restart of PostgreSQL', () => this.#restartStore('fast')),
            fault('crash of PostgreSQL', () => this.#restartStore('immediate')),
          ]
        : []),
      ...(components.machines
        ? [
            fault('cut off a machine', () => this.#cutOff()),
            fault('moves to a machine that is cut off', () => this.#movesAndCut('to')),
            fault('moves from a machine that is cut off', () => this.#movesAndCut('from')),
          ]
        : []),
    ]
    this.#deeds = deeds.filter((deed) => deed.name.includes(init.only))
    if (this.#deeds.length === 0) throw new Error(`nothing to do is called "${init.only}"`)
  }

  get count(): number {
    return this.#deeds.length
  }

  /** Each deed once, in random order, then each once again. */
  next(): Deed {
    if (this.#bag.length === 0) this.#bag = sample(this.#c.random, this.#deeds, this.count)
    return this.#bag.pop()!
  }

  #nodes(count: number): string[] {
    return sample(this.#c.random, this.#c.cluster.nodeIds, count)
  }

  /** A node that has workers to lose. */
  async #owner(): Promise<string> {
    const [worker] = sample(this.#c.random, await this.#c.cluster.get('/api/workers'), 1)
    return worker?.node ?? this.#nodes(1)[0]!
  }

  #int(below: number): number {
    return randomInt(this.#c.random, below)
  }

  #away(): number {
    return AWAY_MS[this.#int(AWAY_MS.length)]!
  }

  async #pids(node: string, parts: readonly Part[]): Promise<number[]> {
    const { cluster } = this.#c
    const status = (await cluster.get('/api/status')).find((one) => one.id === node)
    const children = status?.processes ?? []
    return parts.flatMap((part) => {
      if (part === 'node') return [cluster.pid(node)]
      return children.filter((child) => child.role === part).map((child) => child.pid)
    })
  }

  #signal(pids: readonly number[], signal: NodeJS.Signals): void {
    for (const pid of pids) {
      try {
        if (pid > 0) process.kill(pid, signal)
      } catch {
        // It has ended meanwhile: that is what happens here.
      }
    }
  }

  async #moves(): Promise<void> {
    const workers = sample(this.#c.random, await this.#c.cluster.get('/api/workers'), MOVES_AT_ONCE)
    await Promise.all(
      workers.map(async ({ class: name, key, node }) => {
        const [to] = this.#nodes(2).filter((id) => id !== node)
        await this.#move(name, key, to!, ['ARIES_E_MOVE_REFUSED'])
      }),
    )
  }

  async #twoMoves(): Promise<void> {
    const [worker] = sample(this.#c.random, await this.#c.cluster.get('/api/workers'), 1)
    if (!worker) return
    const targets = this.#nodes(3).filter((id) => id !== worker.node)
    await Promise.all(
      targets.map((to) => this.#move(worker.class, worker.key, to, ['ARIES_E_MOVE_REFUSED'])),
    )
  }

  /** An answer other than 200 and `allowed` is a violation; `allowed` undefined: any may come. */
  async #move(
    name: string,
    key: string,
    to: string,
    allowed: readonly string[] | undefined,
  ): Promise<void> {
    const path = `/api/workers/${name}/${encodeURIComponent(key)}/move`
    const { status, body } = await this.#c.cluster.post(path, { to })
    const text = JSON.stringify(body)
    if (status === 200 || !allowed || allowed.some((code) => text.includes(code))) return
    this.#c.report.violation(`move of ${name}/${key} to ${to}: ${status} ${text}`)
  }

  async #drain(): Promise<void> {
    const [node] = this.#nodes(1)
    await this.#planned(`/api/nodes/${node}/drain`)
    await this.#planned(`/api/nodes/${node}/undrain`)
  }

  async #planned(path: string): Promise<void> {
    const { status, body } = await this.#c.cluster.post(path)
    const { left = [] } = body as { left?: unknown[] }
    if (status === 200 && left.length === 0) return
    this.#c.report.violation(`${path}: ${status} ${JSON.stringify(body)}`)
  }

  async #restart(): Promise<void> {
    const [node] = this.#nodes(1)
    await this.#endAndStart(node!, this.#away())
  }

  async #restartAll(): Promise<void> {
    for (const node of this.#c.cluster.nodeIds) {
      await this.#planned(`/api/nodes/${node}/drain`)
      await this.#endAndStart(node, 0)
    }
  }

  async #endAndStart(node: string, awayMs: number): Promise<void> {
    const { cluster, report } = this.#c
    const code = await cluster.terminate(node)
    if (code !== 0) report.violation(`${node} ended with ${code}`)
    await sleep(awayMs)
    cluster.startNode(node)
    await cluster.readyNode(node)
  }

  async #deploy(nodes: readonly string[]): Promise<void> {
    for (const node of nodes) {
      const { status, body } = await this.#c.cluster.post(`/api/nodes/${node}/deploy`)
      if (status === 200 && (body as DeployReport).failure === null) continue
      this.#c.report.violation(`deploy on ${node}: ${status} ${JSON.stringify(body)}`)
    }
  }

  /** It may fail, and says so; nothing else may. */
  async #deployAndKill(): Promise<void> {
    const node = await this.#owner()
    const pids = await this.#pids(node, ['host'])
    const deployed = this.#c.cluster.post(`/api/nodes/${node}/deploy`)
    await sleep(this.#int(1_000))
    this.#signal(pids, 'SIGKILL')
    await deployed
  }

  async #leaveAndJoin(): Promise<void> {
    const { cluster, report } = this.#c
    const [node] = this.#nodes(1)
    const gone = cluster.exited(node!)
    cluster.undeclare(node!)
    const code = await gone
    if (code !== 0) report.violation(`${node} ended with ${code}`)
    await sleep(this.#away())
    cluster.redeclare()
    cluster.startNode(node!)
    await cluster.readyNode(node!)
  }

  async #killNode(): Promise<void> {
    const node = await this.#owner()
    await this.#c.failovers.watch('node killed', node, () => this.#kill(node))
  }

  async #kill(node: string): Promise<void> {
    const { cluster } = this.#c
    const awayMs = this.#away()
    await cluster.kill(node)
    await sleep(awayMs)
    cluster.startNode(node)
    await cluster.readyNode(node)
  }

  async #killHost(): Promise<void> {
    const node = await this.#owner()
    const pids = await this.#pids(node, ['host'])
    await this.#c.failovers.watch('host killed', node, async () => this.#signal(pids, 'SIGKILL'))
  }

  async #killPool(): Promise<void> {
    const [node] = this.#nodes(1)
    this.#signal(await this.#pids(node!, ['pool']), 'SIGKILL')
  }

  async #pauseWhole(): Promise<void> {
    const node = await this.#owner()
    const ms = this.#faultMs()
    if (ms < NOTICED_MS) return this.#pause([node], WHOLE, ms)
    const pids = await this.#pids(node, WHOLE)
    this.#c.report.event(`pause of ${node} (all of it) for ${ms.toFixed(0)} ms`)
    await this.#c.failovers.watch('node paused', node, () => this.#stop(pids, ms))
  }

  async #cutOff(): Promise<void> {
    const node = await this.#owner()
    await this.#c.failovers.watch('machine cut off', node, () => this.#cut(node))
  }

  /** Long enough for everyone to notice. */
  async #cut(node: string): Promise<void> {
    const { machines, cluster, report } = this.#c
    const ms = Math.max(NOTICED_MS, this.#faultMs())
    report.event(`${node} is cut off for ${ms.toFixed(0)} ms`)
    machines!.cut(cluster.machineOf(node))
    try {
      await sleep(ms)
    } finally {
      machines!.mend(cluster.machineOf(node))
    }
  }

  async #movesAndCut(where: 'from' | 'to'): Promise<void> {
    const [cut, other] = this.#nodes(2)
    const [from, to] = where === 'from' ? [cut!, other!] : [other!, cut!]
    const moves = (await this.#someOf(from)).map((w) => this.#move(w.class, w.key, to, undefined))
    await sleep(this.#int(15))
    await Promise.all([this.#cut(cut!), ...moves])
  }

  async #someOf(node: string): Promise<{ class: string; key: string }[]> {
    const workers = (await this.#c.cluster.get('/api/workers')).filter((w) => w.node === node)
    return sample(this.#c.random, workers, MOVES_AT_ONCE)
  }

  async #killAndPause(): Promise<void> {
    const [killed, paused] = this.#nodes(2)
    await Promise.all([this.#pause([paused!], WHOLE), this.#kill(killed!)])
  }

  async #movesAndPause(where: 'from' | 'to', parts: readonly Part[]): Promise<void> {
    const [paused, other] = this.#nodes(2)
    const [from, to] = where === 'from' ? [paused!, other!] : [other!, paused!]
    const workers = await this.#someOf(from)
    const pause = this.#pause([paused!], parts)
    const moves = workers.map((w) => this.#move(w.class, w.key, to, undefined))
    await Promise.all([pause, ...moves])
  }

  /** As often short as long. */
  #faultMs(): number {
    return PAUSE_MS_MIN * (this.#pauseMsMax / PAUSE_MS_MIN) ** this.#c.random.next()
  }

  async #pause(
    [node]: readonly string[],
    parts: readonly Part[],
    ms = this.#faultMs(),
  ): Promise<void> {
    const pids = await this.#pids(node!, parts)
    this.#c.report.event(`pause of ${node} (${parts.join(', ')}) for ${ms.toFixed(0)} ms`)
    await this.#stop(pids, ms)
  }

  async #stop(pids: readonly number[], ms: number): Promise<void> {
    this.#signal(pids, 'SIGSTOP')
    await sleep(ms)
    this.#signal(pids, 'SIGCONT')
  }

  async #drainAndKill(whose: 'source' | 'target'): Promise<void> {
    const [node, target] = this.#nodes(2)
    const { cluster } = this.#c
    const pids = await this.#pids(node!, ['host'])
    const drained = cluster.post(`/api/nodes/${node}/drain`)
    await sleep(this.#int(30))
    if (whose === 'source') this.#signal(pids, 'SIGKILL')
    else await cluster.kill(target!)
    await drained
    await cluster.post(`/api/nodes/${node}/undrain`)
    if (whose === 'source') return
    cluster.startNode(target!)
    await cluster.readyNode(target!)
  }

  async #movesAndKill(): Promise<void> {
    const { cluster, random } = this.#c
    const [target] = this.#nodes(1)
    const workers = (await cluster.get('/api/workers')).filter((w) => w.node !== target)
    const moves = sample(random, workers, MOVES_AT_ONCE).map((w) =>
      this.#move(w.class, w.key, target!, undefined),
    )
    await sleep(this.#int(15))
    await cluster.kill(target!)
    await Promise.all(moves)
    cluster.startNode(target!)
    await cluster.readyNode(target!)
  }

  async #restartFront(): Promise<void> {
    const { cluster, random } = this.#c
    const [front] = sample(random, cluster.frontIds, 1)
    if (this.#int(2) === 0) await cluster.kill(front!)
    else await cluster.terminate(front!)
    cluster.startFront(front)
    await cluster.readyFront(front)
  }

  async #restartStore(ending: Ending): Promise<void> {
    await this.#c.restartStore?.(ending)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
