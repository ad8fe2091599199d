import { type Random, randomInt, seededRandom } from '../world.ts'
import type { SeedResult, SimArea } from './area.ts'
import { MoveChecks } from './move-checks.ts'
import { type MoveEnvelope, MoveHost } from './move-host.ts'
import { MoveStore } from './move-store.ts'
import { type SimRequest, VERSIONS_SECTION } from './move-worker.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'
import { PERFECT_LINK, VirtualNetwork } from './virtual-network.ts'

const NODES = ['n1', 'n2', 'n3']
const STORM_MS = 1_500
const STORM_MS_QUICK = 500
const CALM_MS = 3_000
const MOVE_EVERY_MS = 60
const REQUEST_EVERY_MS = 4
const SECTIONS_AT_START = 12
/** Attempts of one request before the front gives up with a definite error. */
const ATTEMPTS_MAX = 400
/** All time limits of a move added up, and the claims that are tried again. */
const MOVE_MS_MAX = 2_000
/** New versions of the class during a run. */
const ROLL_OUTS = 4

/** Real cores of source and target between three hosts on a bad network, with crashes at any step. */
export const moveArea: SimArea = {
  name: 'move',
  about: 'live moves: the cores of source and target, crashes at every step, one store, one front',
  runSeed(seed, { quick }): SeedResult {
    return new MoveRun(seed, quick ? STORM_MS_QUICK : STORM_MS).run()
  },
}

class MoveRun {
  readonly #clock = new VirtualClock()
  readonly #trace = new Trace()
  readonly #random: Random
  readonly #store: MoveStore
  readonly #checks: MoveChecks
  readonly #network: VirtualNetwork<MoveEnvelope>
  readonly #hosts = new Map<string, MoveHost>()
  readonly #stormMs: number
  readonly #unanswered = new Set<number>()
  readonly #links = new Map<number, readonly [string, string]>()
  readonly #counts = { moved: 0, refused: 0, aborted: 0, lost: 0, crashes: 0, acked: 0, unknown: 0 }
  #calm = false
  #moves = 0
  #requests = 0
  /** Steps of the protocols until the next crash. */
  #stepsToCrash: number

  constructor(seed: number, stormMs: number) {
    const random = seededRandom(seed)
    const clock = this.#clock
    this.#random = random
    this.#stormMs = stormMs
    const isKind = random.next() < 0.3
    this.#store = new MoveStore(
      { clock, random, onChange: () => this.#checks.stored() },
      { delayMsMax: 1 + random.next() * 8, answerLoss: isKind ? 0 : random.next() * 0.05 },
    )
    this.#checks = new MoveChecks(clock, {
      log: this.#store.log,
      sections: this.#store.sections,
      epoch: () => this.#store.owner?.epoch ?? 0,
    })
    this.#network = new VirtualNetwork(
      { clock, random },
      {
        faults: {
          ...PERFECT_LINK,
          loss: isKind ? 0 : random.next() * 0.04,
          duplicate: random.next() * 0.1,
          late: isKind ? 0 : random.next() * 0.1,
          lateMs: 10,
        },
      },
    )
    this.#stepsToCrash = isKind ? Number.POSITIVE_INFINITY : randomInt(random, 120)
  }

  run(): SeedResult {
    for (const node of NODES) this.#boot(node)
    this.#store.sections.set(VERSIONS_SECTION, '0')
    for (let i = 0; i < SECTIONS_AT_START; i++) this.#store.sections.set(`part${i}`, `text ${i}`)
    this.#every(REQUEST_EVERY_MS, () => this.#request())
    this.#every(MOVE_EVERY_MS, () => this.#move())
    this.#every(15, () => this.#failOver())
    this.#clock.runUntil(this.#stormMs)
    this.#calm = true
    this.#network.faults = PERFECT_LINK
    this.#clock.runUntil(this.#stormMs + CALM_MS)
    const moving = [...this.#hosts.values()].filter((host) => host.isMoving && !host.isDown)
    this.#checks.atRest(
      [...this.#unanswered],
      moving.map(({ node }) => node),
    )
    const stats = { ...this.#counts, requests: this.#requests, moves: this.#moves }
    return { violations: this.#checks.violations, stats, traceHash: this.#trace.hash() }
  }

  /** New code comes out now and then; a process has the newest, or on all nodes but one an older. */
  #boot(node: string): void {
    const newest = 1 + Math.floor((this.#clock.nowMs() / this.#stormMs) * ROLL_OUTS)
    const isLate = node !== NODES.at(-1) && this.#random.next() < 0.2
    const classVersion = Math.max(1, isLate ? newest - 1 : newest)
    const host = new MoveHost(
      {
        clock: this.#clock,
        random: this.#random,
        store: this.#store,
        checks: this.#checks,
        send: (from, to, envelope) => this.#network.send(from, to, envelope),
        step: (at, what) => this.#step(at, what),
      },
      node,
      classVersion,
    )
    this.#hosts.set(node, host)
    this.#network.attach(node, (from, envelope) => host.receive(from, envelope))
  }

  #step(host: MoveHost, what: string): void {
    this.#trace.add(`${this.#clock.nowMs()} ${host.node} ${what}`)
    if (this.#calm || --this.#stepsToCrash > 0) return
    this.#stepsToCrash = 20 + randomInt(this.#random, 200)
    this.#crash(host)
  }

  #crash(host: MoveHost): void {
    this.#counts.crashes++
    this.#trace.add(`${host.node} crashes`)
    host.crash()
    this.#network.detach(host.node)
    for (const [move, ends] of this.#links) {
      if (!ends.includes(host.node)) continue
      this.#links.delete(move)
      for (const node of ends) {
        this.#clock.after(this.#random.next() * 20, () => this.#hosts.get(node)?.linkLost(move))
      }
    }
    this.#clock.after(5 + this.#random.next() * 60, () => this.#boot(host.node))
  }

  /** The control loops: a worker whose owner is gone is taken over; now and then a living one is evicted. */
  #failOver(): void {
    const { owner } = this.#store
    if (owner && !this.#calm && this.#random.next() < 0.005) this.#evict(owner.node)
    const ownerHost = owner ? this.#hosts.get(owner.node) : undefined
    if (owner && this.#store.isActive(owner.node, owner.incarnation)) {
      if (ownerHost?.worker || ownerHost?.isMoving) return
      // It owns the worker and has not opened it: it loads it.
      if (ownerHost?.incarnation === owner.incarnation && !ownerHost.isDown) this.#load(ownerHost)
      return
    }
    const up = [...this.#hosts.values()].filter(
      (host) => !host.isDown && this.#store.isActive(host.node, host.incarnation),
    )
    const host = up[randomInt(this.#random, Math.max(1, up.length))]
    if (!host || (host.isMoving && host.worker)) return
    this.#store.claim(host, owner?.epoch ?? 0, 'takeover', () => {
      if (!host.isDown) this.#load(host)
    })
  }

  /** A zombie: the process lives, its incarnation is void. It starts anew when it notices. */
  #evict(node: string): void {
    this.#trace.add(`${node} is evicted`)
    this.#store.evict(node)
    const zombie = this.#hosts.get(node)
    this.#clock.after(20 + this.#random.next() * 60, () => {
      if (zombie && !zombie.isDown && this.#hosts.get(node) === zombie) this.#crash(zombie)
    })
  }

  #load(host: MoveHost): void {
    const { owner, sections } = this.#store
    if (owner?.node !== host.node || owner.incarnation !== host.incarnation) return
    if (host.worker && host.worker.epoch >= owner.epoch) return
    host.open({ ...owner, sections })
  }

  #move(): void {
    if (this.#calm) return
    const from = [...this.#hosts.values()].find((host) => host.worker && !host.isMoving)
    if (!from) return
    const to = NODES.filter((node) => node !== from.node)[randomInt(this.#random, 2)]!
    const move = ++this.#moves
    const beganMs = this.#clock.nowMs()
    this.#links.set(move, [from.node, to])
    if (this.#random.next() < 0.1) {
      this.#clock.after(this.#random.next() * 30, () => {
        for (const node of this.#links.get(move) ?? []) this.#hosts.get(node)?.linkLost(move)
      })
    }
    from.move(move, to, this.#random.next() < 0.4, (result) => {
      this.#trace.add(`move ${move} ${result.kind}`)
      this.#counts[result.kind]++
      this.#checks.moveEnded(move, this.#clock.nowMs() - beganMs, MOVE_MS_MAX)
    })
  }

  #request(): void {
    if (this.#calm) return
    const id = ++this.#requests
    this.#unanswered.add(id)
    this.#attempt(id, 1, this.#store.owner?.node)
  }

  #attempt(id: number, attempts: number, node: string | undefined): void {
    const again = (at?: string): void => {
      if (attempts >= ATTEMPTS_MAX) this.#unanswered.delete(id)
      else this.#attempt(id, attempts + 1, at)
    }
    const request: SimRequest = {
      id,
      acknowledged: (value, epoch, by) => {
        this.#checks.acknowledged(id, value, epoch, by)
        this.#counts.acked++
        this.#unanswered.delete(id)
      },
      notOwner: () => again(),
      outcomeUnknown: () => {
        this.#counts.unknown++
        this.#unanswered.delete(id)
      },
      movedTo: (to) => again(to),
    }
    this.#clock.after(0.2 + this.#random.next(), () => {
      const host = this.#hosts.get(node ?? this.#store.owner?.node ?? '')
      if (host?.worker) host.worker.offer(request)
      else if (host && !host.isDown && host.wentTo) again(host.wentTo)
      else this.#clock.after(5, () => again())
    })
  }

  #every(intervalMs: number, run: () => void): void {
    this.#clock.after(intervalMs * (0.5 + this.#random.next()), () => {
      run()
      if (this.#clock.nowMs() < this.#stormMs + CALM_MS - 500) this.#every(intervalMs, run)
    })
  }
}
