/**
 * Moves and failovers of a whole cluster in the seeded world. The nodes, hosts and fronts are the
 * real ones, every class of them; below them time, chance, TCP and processes are virtual
 * (`runtime/`), beside them the store and gossip are models (`cluster/`).
 *
 * A third of the seeds is quiet (nothing may fail at all), a third aims one fault at a numbered step
 * of a move, the rest is stormy.
 */
import { type Random, randomInt, seededRandom } from '../world.ts'
import type { SeedResult, SimArea } from './area.ts'
import { Checks, type Invariant } from './cluster/checks.ts'
import { CLASS, Cluster } from './cluster/cluster.ts'
import { FAULT_KINDS, type FaultKind, Faults } from './cluster/faults.ts'
import { LARGE_KEY } from './cluster/ledger.ts'
import { Requests } from './cluster/requests.ts'
import { Sessions } from './cluster/sessions.ts'
import { installRuntime } from './runtime/install.ts'
import { settle } from './runtime/time.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'

const KEYS = ['small', LARGE_KEY]
const NODES = 3
const FRONTS = 2
const CLIENTS = 3
const BOOT_MS = 60
const LOAD_MS = 600
const LOAD_MS_QUICK = 600
/** Everything must be at rest so long after the last fault. */
const REST_MS_MAX = 16_000
const LOOK_MS = 100
const LOOK_MS_MAX = 3_000
const REQUEST_EVERY_MS = 18
const MESSAGE_EVERY_MS = 25
const MOVE_EVERY_MS = 90
const STORM_EVERY_MS = 130
/** Longer than all time limits of a move together. */
const MOVE_MS_MAX = 12_000
/** An aimed fault strikes after so many steps at most. */
const STEPS_MAX = 24
const TRACE_LINES = 100

type Weather = 'quiet' | 'aimed' | 'stormy'

export const moveArea: SimArea = {
  name: 'move',
  about: 'moves and failovers: real nodes, hosts and fronts under every fault, aimed and at random',
  async runSeed(seed, { quick }): Promise<SeedResult> {
    installRuntime()
    return new MoveRun(seed, quick ? LOAD_MS_QUICK : LOAD_MS).run()
  },
}

class MoveRun {
  readonly #clock = new VirtualClock()
  readonly #trace: Trace
  readonly #random: Random
  readonly #weather: Weather
  readonly #loadMs: number
  readonly #cluster: Cluster
  readonly #checks: Checks
  readonly #requests: Requests
  readonly #sessions: Sessions
  readonly #faults: Faults
  readonly #moving = new Map<number, { key: string; beganMs: number }>()
  #moves = 0
  #moved = 0
  #steps = 0
  #strikeAt = Number.POSITIVE_INFINITY
  /** What the last look at the directory found wrong. */
  #unrest: readonly string[] = ['nothing came to rest']
  #aim: { kind: FaultKind; at: string; other: string } | undefined

  constructor(seed: number, loadMs: number) {
    const clock = this.#clock
    const random = seededRandom(seed)
    this.#random = random
    this.#loadMs = loadMs
    this.#trace = new Trace(TRACE_LINES)
    this.#weather = (['quiet', 'aimed', 'stormy'] as const)[seed % 3]!
    const say = (text: string): void => this.#trace.add(`${clock.nowMs().toFixed(2)} ${text}`)
    this.#checks = new Checks(
      { clock },
      {
        disturbed: (node) => this.#faults.disturbed(node),
        onViolation: () => this.#trace.keep(),
      },
    )
    const checks = this.#checks
    const cluster = new Cluster(
      {
        clock,
        random,
        say,
        watcher: {
          claimed: (request, before, epoch) => {
            say(`store: ${request.id.key} is ${request.node}'s, epoch ${epoch} (${request.mode})`)
            checks.claimed(request, before, epoch)
          },
          committed: (node, record, sections) => checks.committed(node, record, sections),
          registered: (node, incarnation) => say(`store: ${node} has incarnation ${incarnation}`),
          evicted: (node, incarnation) => say(`store: ${node}/${incarnation} is over`),
          step: (what) =>
            this.#step(what, what.includes('handover'), !/renew|dueAlarms/.test(what)),
        },
      },
      { nodes: NODES, fronts: FRONTS, standby: random.next() < 0.4 ? 1 : 0 },
    )
    this.#cluster = cluster
    cluster.tcp.onPiece = (from, to, bytes) => {
      const isMove = from.name.endsWith('/host') && to.name.endsWith('/host')
      this.#step(`${from.name} > ${to.name}: ${bytes} bytes`, isMove, isMove)
    }
    this.#faults = new Faults({ clock, random, cluster, say })
    const { client } = cluster
    this.#requests = new Requests({ clock, random, checks, client, say }, { fronts: FRONTS })
    this.#sessions = new Sessions(
      { random, checks, client, say },
      { clients: CLIENTS, keys: KEYS, fronts: FRONTS },
    )
  }

  async run(): Promise<SeedResult> {
    for (const id of [...this.#cluster.nodes, ...this.#cluster.fronts]) this.#cluster.boot(id)
    await this.#until(BOOT_MS)
    this.#cloud()
    const endMs = BOOT_MS + this.#loadMs
    this.#every(REQUEST_EVERY_MS, endMs, () => this.#request())
    this.#every(MESSAGE_EVERY_MS, endMs, () => this.#session())
    this.#every(MOVE_EVERY_MS, endMs, () => this.#move())
    if (this.#weather === 'stormy') this.#every(STORM_EVERY_MS, endMs, () => this.#storm())
    await this.#until(endMs)
    this.#faults.heal()
    await this.#rest()
    const result = {
      violations: this.#checks.violations,
      stats: this.#stats(),
      traceHash: this.#trace.hash(),
      trace: this.#trace.kept,
    }
    this.#cluster.destroy()
    await settle()
    return result
  }

  /** How bad the network and the store are in this seed. */
  #cloud(): void {
    const random = this.#random
    const chance = (most: number): number => (random.next() < 0.5 ? 0 : random.next() * most)
    const { tcp, store, gossip } = this.#cluster
    Object.assign(tcp.faults, { split: chance(0.3), late: chance(0.1), lateMs: 8 })
    store.faults.delayMsMax = 1 + random.next() * 6
    if (this.#weather !== 'stormy') return
    tcp.faults.cut = chance(0.004)
    store.faults.lostCalls = chance(0.02)
    store.faults.lostAnswers = chance(0.03)
    gossip.falseAlarms = chance(0.02)
    if (tcp.faults.cut > 0 || gossip.falseAlarms > 0) this.#faults.disturbAlways()
  }

  /** Something small happened; `counts`: as part of a move, so that a fault can be aimed at it. */
  #step(what: string, counts: boolean, isShown: boolean): void {
    this.#trace.add(`${this.#clock.nowMs().toFixed(2)} ${what}`, isShown)
    if (this.#moving.size === 0 || !counts) return
    this.#steps++
    if (this.#steps < this.#strikeAt) return
    this.#strikeAt = Number.POSITIVE_INFINITY
    const { kind, at, other } = this.#aim!
    // Not within the step: whatever runs now runs to its end.
    this.#clock.after(0, () => this.#faults.strike(kind, at, other))
  }

  #storm(): void {
    const kind = FAULT_KINDS[randomInt(this.#random, FAULT_KINDS.length)]!
    const { nodes } = this.#cluster
    const at = randomInt(this.#random, nodes.length)
    const by = 1 + randomInt(this.#random, nodes.length - 1)
    this.#faults.strike(kind, nodes[at]!, nodes[(at + by) % nodes.length]!)
  }

  #request(): void {
    const random = this.#random
    const key = KEYS[randomInt(random, KEYS.length)]!
    const what = random.next()
    const keyed = random.next() < 0.5
    if (what < 0.35) void this.#requests.read(key)
    else if (what < 0.4) this.#requests.change(key, keyed, { throws: true })
    else if (what < 0.46) this.#requests.change(key, keyed, { slowMs: random.next() * 90 })
    else if (what < 0.52) {
      this.#requests.change(key, keyed, { alarmMs: Math.floor(random.next() * 300) })
    } else this.#requests.change(key, keyed, {})
  }

  #session(): void {
    if (this.#random.next() < 0.1) this.#sessions.connectAll()
    else this.#sessions.act(true)
  }

  /** An operator moves a worker, or drains a node. */
  #move(): void {
    const random = this.#random
    const { nodes, store } = this.#cluster
    const key = KEYS[randomInt(random, KEYS.length)]!
    const owner = store.owner({ class: CLASS, key })?.node
    if (owner === undefined || [...this.#moving.values()].some((move) => move.key === key)) return
    const others = nodes.filter((node) => node !== owner)
    const to = others[randomInt(random, others.length)]!
    const by = nodes[randomInt(random, nodes.length)]!
    const move = ++this.#moves
    if (move % 3 === 2 && this.#weather === 'aimed') this.#takeAim(owner, to)
    this.#moving.set(move, { key, beganMs: this.#clock.nowMs() })
    this.#trace.add(`${this.#clock.nowMs().toFixed(2)} move ${move}: ${key} from ${owner} to ${to}`)
    const drains = random.next() < 0.15
    void this.#cluster
      .call(by, (node) =>
        drains
          ? node.peers.call(owner, 'drain', {}).then(() => node.peers.call(owner, 'undrain', {}))
          : node.peers.call(by, 'move', { class: CLASS, key, to }).then(() => {
              this.#moved++
            }),
      )
      .finally(() => this.#moveEnded(move))
  }

  #takeAim(source: string, target: string): void {
    const random = this.#random
    const kind = FAULT_KINDS[randomInt(random, FAULT_KINDS.length)]!
    const [at, other] = random.next() < 0.5 ? [source, target] : [target, source]
    this.#aim = { kind, at, other }
    this.#steps = 0
    this.#strikeAt = 1 + randomInt(random, STEPS_MAX)
  }

  #moveEnded(move: number): void {
    const { beganMs } = this.#moving.get(move)!
    this.#moving.delete(move)
    const tookMs = this.#clock.nowMs() - beganMs
    if (tookMs > MOVE_MS_MAX) this.#checks.fail('I12', `move ${move} took ${tookMs} ms`)
  }

  // The end: everything comes to rest.

  async #rest(): Promise<void> {
    const untilMs = this.#clock.nowMs() + REST_MS_MAX
    let probed = false
    while (this.#clock.nowMs() < untilMs && this.#checks.violations.length === 0) {
      await this.#until(this.#clock.nowMs() + LOOK_MS)
      this.#sessions.connectAll()
      if (!probed && this.#isQuiet()) {
        probed = true
        this.#sessions.sendAll()
      } else if (probed && this.#isQuiet()) {
        this.#unrest = await this.#directoryFaults()
        if (this.#unrest.length === 0) break
      }
    }
    this.#judge()
  }

  #isQuiet(): boolean {
    return (
      this.#requests.pending === 0 &&
      this.#moving.size === 0 &&
      this.#sessions.settled &&
      this.#checks.alarmsLeft().length === 0
    )
  }

  /** Looks who answers and who has what open; what is wrong with that. */
  async #directoryFaults(): Promise<string[]> {
    const { nodes, fronts, store } = this.#cluster
    const asked = KEYS.flatMap((key) => fronts.map((_, front) => this.#requests.read(key, front)))
    const answered = (await this.#pump(Promise.all(asked), LOOK_MS_MAX)) ?? []
    const open = (await this.#pump(this.#cluster.openWorkers(), LOOK_MS_MAX)) ?? new Map()
    const faults: string[] = []
    for (const [i, key] of KEYS.entries()) {
      const owner = store.owner({ class: CLASS, key })
      if (!owner?.ownerActive) faults.push(`${key} has no living owner`)
      for (const [front, id] of fronts.entries()) {
        const node = answered[i * fronts.length + front]
        if (node !== owner?.node) faults.push(`${key} was answered by ${node} over ${id}`)
      }
      for (const id of nodes) {
        const { epoch, cannotMove } = open.get(id)?.get(key) ?? {}
        if (cannotMove) faults.push(`${key} on ${id} is left of a move: ${cannotMove}`)
        const shouldBe = id === owner?.node ? owner.epoch : undefined
        if (epoch !== shouldBe)
          faults.push(`${key} is open on ${id} under ${epoch}, not ${shouldBe}`)
      }
    }
    return faults
  }

  #judge(): void {
    const checks = this.#checks
    if (checks.violations.length > 0) return
    for (const { key } of this.#moving.values()) checks.fail('I12', `a move of ${key} has no end`)
    for (const alarm of checks.alarmsLeft()) checks.fail('I8', `${alarm} did not ring`)
    for (const what of this.#sessions.unsettled()) checks.fail('I9', `${what}, at rest`)
    this.#requests.atRest()
    if (checks.violations.length > 0) return
    for (const fault of this.#unrest) {
      checks.fail(invariantOf(fault), fault)
    }
    if (this.#weather !== 'quiet') return
    if (this.#requests.counts.failed > 0) checks.fail('I6', 'a request failed, nothing happened')
    if (this.#sessions.closes > 0) checks.fail('I9', 'a session was closed, nothing happened')
  }

  #stats(): Record<string, number> {
    const { connections, cut } = this.#cluster.tcp.stats
    return {
      ...this.#requests.counts,
      turns: this.#checks.turns,
      alarms: this.#checks.alarms,
      sessions: this.#sessions.lives,
      closes: this.#sessions.closes,
      moves: this.#moves,
      moved: this.#moved,
      faults: this.#faults.count,
      connections,
      cut,
      virtualMs: this.#clock.nowMs(),
    }
  }

  /** Lets time pass until the promise is settled. */
  async #pump<T>(promise: Promise<T>, limitMs: number): Promise<T | undefined> {
    let result: T | undefined
    let over = false
    promise.then(
      (value) => {
        result = value
        over = true
      },
      () => {
        over = true
      },
    )
    const untilMs = this.#clock.nowMs() + limitMs
    while (!over && this.#clock.nowMs() < untilMs) await this.#until(this.#clock.nowMs() + 2)
    return result
  }

  async #until(untilMs: number): Promise<void> {
    await settle()
    while (this.#clock.step(untilMs)) await settle()
    this.#clock.runUntil(untilMs)
  }

  #every(intervalMs: number, endMs: number, run: () => void): void {
    this.#clock.after(intervalMs * (0.5 + this.#random.next()), () => {
      if (this.#clock.nowMs() >= endMs) return
      run()
      this.#every(intervalMs, endMs, run)
    })
  }
}

function invariantOf(fault: string): Invariant {
  if (fault.includes('no living owner')) return 'I16'
  return fault.includes('left of a move') ? 'I13' : 'I14'
}
