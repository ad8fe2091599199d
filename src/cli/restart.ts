import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterMember } from '../admin/api.ts'
import { AriesError } from '../errors.ts'
import type { AdminClient } from './client.ts'
import { leftText } from './drain.ts'
import { count, milliseconds } from './format.ts'
import { nodesInOrder } from './node-order.ts'
import type { ReadOptions } from './options.ts'
import { EXIT, harmless, remark } from './output.ts'
import { withProgress } from './progress.ts'
import { tellReports } from './reports.ts'
import { restartFront } from './restart-front.ts'
import { onStopSignals } from './signals.ts'

const POLL_MS = 100
/** From the request to restart until the node is ready again. */
const BACK_TIMEOUT_MS = 60_000

export interface RestartReport {
  /** The node or front. */
  readonly node: string
  /** Workers that were moved off before; of a front, none. */
  readonly moved: number
  /** Of a front: the process that has taken its place. */
  readonly pid?: number
  /** Why it was not restarted, or did not come back; null when it is ready again. */
  readonly failure: string | null
  readonly ms: number
}

/** `aries restart [member…]`; resolves with the exit code, 1 when it stopped at a node. */
export function restart(named: readonly string[], options: ReadOptions): Promise<number> {
  return tellReports(options, (client) => restartAll(client, named), reportText)
}

/** One node after another, up to the first that fails. */
async function* restartAll(
  client: AdminClient,
  named: readonly string[],
): AsyncGenerator<RestartReport> {
  const round = new Round(client)
  const unhear = onStopSignals({
    onFirst: () => void round.callOff(),
    onSecond: () => process.exit(EXIT.failed),
  })
  try {
    const fronts = await frontsAmong(client, named)
    const nodes = named.filter((id) => !fronts.has(id))
    const isNodes = named.length === 0 || nodes.length > 0
    const valid = new Set(isNodes ? await nodesInOrder(client, nodes) : [])
    for (const id of named.length === 0 ? valid : new Set(named)) {
      const front = fronts.get(id)
      const report = front ? await replaceFront(front) : await round.restart(id)
      yield report
      if (report.failure !== null) return
    }
  } finally {
    unhear()
  }
}

async function frontsAmong(
  client: AdminClient,
  named: readonly string[],
): Promise<Map<string, ClusterMember>> {
  const { members } = await client.get('GET /api/cluster')
  const fronts = members.filter(({ id, role }) => role === 'front' && named.includes(id))
  return new Map(fronts.map((front) => [front.id, front]))
}

async function replaceFront(front: ClusterMember): Promise<RestartReport> {
  const beganMs = performance.now()
  const report = (rest: { pid?: number; failure: string | null }): RestartReport => ({
    node: front.id,
    moved: 0,
    ms: Math.round(performance.now() - beganMs),
    ...rest,
  })
  try {
    return report({ pid: await restartFront(front), failure: null })
  } catch (error) {
    return report({ failure: error instanceof Error ? error.message : String(error) })
  }
}

function reportText({ node, moved, pid, failure, ms }: RestartReport): string {
  if (failure !== null) return `${node} was not restarted: ${harmless(failure)}`
  if (pid !== undefined) return `${node} is process ${pid} after ${milliseconds(ms)}`
  return `${node} is back after ${milliseconds(ms)}, ${count(moved, 'worker')} moved off before`
}

/** One node after another is emptied, restarted and waited for. */
class Round {
  readonly #client: AdminClient
  #draining: string | undefined
  #calledOff = false

  constructor(client: AdminClient) {
    this.#client = client
  }

  async restart(id: string): Promise<RestartReport> {
    const beganMs = performance.now()
    const before = await this.#member(id)
    let moved = 0
    let failure: string | null = null
    try {
      moved = await this.#drain(before)
      await this.#client.post('POST /api/nodes/{id}/restart', { id })
      await withProgress(
        async () => `${id} restarts`,
        () => this.#back(before),
      )
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error)
    }
    return { node: id, moved, failure, ms: Math.round(performance.now() - beganMs) }
  }

  /** A node that is being drained is taken back into use; one that restarts comes back by itself. */
  async callOff(): Promise<void> {
    this.#calledOff = true
    remark('called off; the node that is under way is left in use')
    await this.#undrain()
  }

  async #drain(before: ClusterMember): Promise<number> {
    const { id } = before
    if (!before.draining) this.#draining = id
    const report = await withProgress(
      () => leftText(this.#client, id),
      () => this.#client.post('POST /api/nodes/{id}/drain', { id }),
    )
    const [stayed] = report.left
    const [job] = report.jobs
    if (this.#calledOff || stayed || job) {
      await this.#undrain()
      const stays = job ? `job ${job} still runs there` : 'it was called off'
      const why = stayed ? `${stayed.worker} stayed: ${stayed.why}` : stays
      throw new AriesError('ARIES_E_MOVE_REFUSED', why)
    }
    this.#draining = undefined
    return report.moved
  }

  async #undrain(): Promise<void> {
    const id = this.#draining
    this.#draining = undefined
    if (id !== undefined) await this.#client.post('POST /api/nodes/{id}/undrain', { id })
  }

  /** Resolves when the node is there anew and ready; as an operator had it, drained or cordoned. */
  async #back(before: ClusterMember): Promise<void> {
    const { id } = before
    const untilMs = performance.now() + BACK_TIMEOUT_MS
    while (performance.now() < untilMs) {
      await sleep(POLL_MS)
      // The one that is asked may be the one that restarts.
      const now = await this.#member(id).catch(() => undefined)
      if (now?.state !== 'alive' || now.incarnation <= before.incarnation) continue
      if (before.draining) await this.#client.post('POST /api/nodes/{id}/drain', { id })
      else if (before.cordoned) await this.#client.post('POST /api/nodes/{id}/cordon', { id })
      if (before.draining || (await this.#isReady(id))) return
    }
    throw new AriesError(
      'ARIES_E_NODE_UNREACHABLE',
      `it was not ready again after ${BACK_TIMEOUT_MS / 1_000} s; see its log`,
    )
  }

  async #isReady(id: string): Promise<boolean> {
    const statuses = await this.#client.get('GET /api/status').catch(() => [])
    return statuses.some((status) => status.id === id && status.ready)
  }

  async #member(id: string): Promise<ClusterMember> {
    const { members } = await this.#client.get('GET /api/cluster')
    const member = members.find((each) => each.id === id)
    if (member) return member
    throw new AriesError('ARIES_E_NODE_UNKNOWN', `there is no node "${id}" any more`)
  }
}
