import { AriesError } from '../errors.ts'
import { formatWorkerId, parseWorkerId, type WorkerId } from '../identity.ts'
import type { Jobs } from '../jobs/jobs.ts'
import type { Logger } from '../log.ts'
import type { DrainReport } from '../rpc.ts'
import { sleep, type World } from '../world.ts'
import type { Mover } from './mover.ts'
import type { OpenWorkers } from './open-workers.ts'
import type { Placer } from './placer.ts'
import { whyNone } from './search.ts'

/** Refused that often, a worker stays, and the report says why. */
const TRIES_MAX = 5
const RETRY_MS = 100

export interface DrainComponents {
  readonly open: OpenWorkers
  readonly placer: Placer
  readonly mover: Mover
  readonly jobs: Jobs
  readonly log: Logger
  readonly world: World
}

export interface DrainInit {
  readonly node: string
  readonly concurrency: () => number
}

/** Moves everything off this node, several at a time, each to where it costs least. */
export class Drain {
  readonly #c: DrainComponents
  readonly #init: DrainInit
  #running: Promise<DrainReport> | undefined

  constructor(components: DrainComponents, init: DrainInit) {
    this.#c = components
    this.#init = init
  }

  /** One drain at a time; a second caller gets the report of the first. */
  run(stillWanted: () => boolean): Promise<DrainReport> {
    this.#running ??= this.#run(stillWanted).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(stillWanted: () => boolean): Promise<DrainReport> {
    const startedMs = this.#c.world.clock.nowMs()
    const jobs = this.#c.jobs.drain(stillWanted)
    const stuck = new Map<string, string>()
    /** Those that a lane is at: not all of them move yet. */
    const taken = new Set<string>()
    let moved = 0
    let queue: WorkerId[] = []
    const next = (): WorkerId | undefined => {
      // Not once for each: there may be many. What has come meanwhile is in the next look.
      if (queue.length === 0) {
        queue = this.#toMove(stuck).filter((id) => !taken.has(formatWorkerId(id)))
      }
      return queue.pop()
    }
    const lane = async (): Promise<void> => {
      for (let id = next(); id && stillWanted(); id = next()) {
        const name = formatWorkerId(id)
        if (!this.#c.open.has(id) || this.#c.mover.isMoving(id)) continue
        taken.add(name)
        const why = await this.#moveOff(id, stillWanted)
        taken.delete(name)
        if (why === undefined) moved++
        else stuck.set(name, why)
      }
    }
    do {
      await Promise.all(Array.from({ length: this.#init.concurrency() }, lane))
    } while (await this.#isMoreLeft(stuck, stillWanted))
    const left = [...stuck]
      .filter(([worker]) => this.#c.open.has(parseWorkerId(worker)))
      .map(([worker, why]) => ({ worker, why }))
    const ms = Math.round(this.#c.world.clock.nowMs() - startedMs)
    this.#c.log.info({ moved, left: left.length, ms }, 'drained')
    return { node: this.#init.node, moved, left, jobs: await jobs, ms }
  }

  /** Waits for what others move just now: it may stay after all. */
  async #isMoreLeft(
    stuck: ReadonlyMap<string, string>,
    stillWanted: () => boolean,
  ): Promise<boolean> {
    const { open, mover, world } = this.#c
    while (stillWanted() && Array.from(open.all()).some(({ id }) => mover.isMoving(id))) {
      await sleep(world.clock, RETRY_MS)
    }
    return stillWanted() && this.#toMove(stuck).length > 0
  }

  #toMove(stuck: ReadonlyMap<string, string>): WorkerId[] {
    return Array.from(this.#c.open.all(), ({ id }) => id).filter(
      (id) => !stuck.has(formatWorkerId(id)) && !this.#c.mover.isMoving(id),
    )
  }

  /** Undefined when the worker is no longer here, else why it still is. */
  async #moveOff(id: WorkerId, stillWanted: () => boolean): Promise<string | undefined> {
    const refused = new Map<string, string>()
    let why = 'the drain was called off'
    await this.#c.placer.prepare(id)
    for (let tries = 0; tries < TRIES_MAX && stillWanted(); tries++) {
      const decision = this.#c.placer.place(id, 'drain', refused, this.#init.node)
      if (decision.chosen === undefined) {
        why = `no other node takes it (${whyNone(decision)})`
        refused.clear()
      } else {
        try {
          await this.#c.mover.move(id, decision.chosen, decision)
          return undefined
        } catch (error) {
          if (!this.#c.open.has(id)) return undefined
          why = error instanceof AriesError ? error.message : String(error)
          refused.set(decision.chosen, why)
        }
      }
      await sleep(this.#c.world.clock, RETRY_MS)
    }
    return why
  }
}
