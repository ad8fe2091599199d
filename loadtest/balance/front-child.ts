/** Process of `bench:balance`: the front's engine, with the policy that it is told. */
import { type AddressInfo, createServer } from 'node:net'
import { Agent, request } from 'undici'
import { configSchema } from '../../src/config/schema.ts'
import { Balancing } from '../../src/front/balance/balancing.ts'
import { UpstreamPicker } from '../../src/front/balance/upstreams.ts'
import { Board } from '../../src/front/board.ts'
import { Http1Engine } from '../../src/front/http1/engine.ts'
import { Meters } from '../../src/front/meters.ts'
import { emptyStats } from '../../src/front/metrics.ts'
import { Nodes } from '../../src/front/nodes.ts'
import type { AttemptFailure, Picker, RequestHead, Target } from '../../src/front/plan.ts'
import { createLogger } from '../../src/log.ts'
import { realWorld } from '../../src/world.ts'
import { CONTENDERS, type Contender } from './contenders.ts'
import type { Policy, ProbeAnswer } from './policy.ts'

export interface FrontInit {
  readonly contender: string
  readonly ports: readonly number[]
  readonly deadlineMs: number
}

const log = createLogger({ role: 'front', id: 'bench' }, 'error')

/** A request under a policy of the bench: one target, no second attempt. */
class PolicyPicker implements Picker {
  readonly #policy: Policy
  readonly #targets: readonly Target[]
  #backend = -1
  #sentMs = 0
  #status = 0

  constructor(policy: Policy, targets: readonly Target[]) {
    this.#policy = policy
    this.#targets = targets
  }

  pick(failure?: AttemptFailure): Target {
    if (failure !== undefined) throw failure.error
    this.#sentMs = performance.now()
    this.#backend = this.#policy.pick(this.#sentMs)
    this.#policy.sent(this.#backend, this.#sentMs)
    return this.#targets[this.#backend]!
  }

  answered({ status }: { status: number }): void {
    this.#status = status
  }

  done(): void {
    if (this.#backend < 0) return
    const nowMs = performance.now()
    const failed = this.#status === 0 || this.#status >= 500
    const { sentMs } = { sentMs: this.#sentMs }
    this.#policy.done(this.#backend, { nowMs, sentMs, failed, requests: -1, threads: 0 })
  }
}

function rivalPickers({ make }: Contender, targets: readonly Target[]): () => Picker {
  const dispatcher = new Agent({ connections: 64 })
  const policy = make({
    backends: targets.length,
    random: realWorld.random,
    clock: realWorld.clock,
    probe: (backend, answer) => {
      request(`http://127.0.0.1:${targets[backend]!.port}/probe`, { dispatcher })
        .then(async ({ body }) => answer((await body.json()) as ProbeAnswer))
        .catch(() => {})
    },
  })
  return () => new PolicyPicker(policy, targets)
}

/** The pickers of the front itself. */
function ownPickers(ports: readonly number[], deadlineMs: number): (head: RequestHead) => Picker {
  const board = new Board()
  const { random } = realWorld
  const nodes = new Nodes({ board, random })
  const none = (): void => {}
  const { balance } = configSchema.parse({
    listeners: [{ http: '127.0.0.1:1' }],
    routes: [{ path: '/*', upstreams: ['http://127.0.0.1:1'] }],
    balance: { queueTimeoutMs: deadlineMs },
  })
  const meters = new Meters()
  const balancing = new Balancing(
    {
      log,
      random,
      board,
      nodes,
      stats: emptyStats(),
      meters,
      onPoolFailed: none,
      onUpstreamFailed: none,
    },
    balance,
  )
  const addresses = ports.map((port) => {
    return { url: `http://127.0.0.1:${port}`, host: '127.0.0.1', port, scheme: 'http' as const }
  })
  balancing.upstreams.set(addresses)
  const items = addresses.map((address) => ({
    upstreams: [address],
    weight: undefined,
    priority: 0,
    drain: false,
  }))
  const group = balancing.openGroup({ items, forwarder: 'aries' })
  const bound = {
    group,
    stickiness: undefined,
    retried: new Set<number>(),
    meter: meters.route('/*'),
  }
  return (head) => new UpstreamPicker(balancing.forUpstreams, bound, head)
}

const { contender, ports, deadlineMs } = JSON.parse(process.argv[2]!) as FrontInit
const chosen = CONTENDERS.find(({ name }) => name === contender)!
const targets = ports.map((port): Target => {
  const poolKey = `127.0.0.1:${port}`
  return { id: poolKey, poolKey, host: '127.0.0.1', port }
})
const picker = chosen.isOurs ? ownPickers(ports, deadlineMs) : rivalPickers(chosen, targets)
const { front } = configSchema.parse({
  listeners: [{ http: '127.0.0.1:1' }],
  routes: [{ path: '/*', upstreams: ['http://127.0.0.1:1'] }],
})
const planner = {
  plan: (head: RequestHead) => ({ kind: 'forward', picker: picker(head) }) as const,
}
const engine = new Http1Engine({ planner, log }, front)
const server = createServer((socket) => engine.accept(socket))
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
