import { seededRandom, type TimerHandle } from '../../world.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { drawJobs, type Job } from './jobs.ts'
import { Machine, type RunningJob } from './machine.ts'
import type { MachineView, Policy, PolicyInit } from './policy.ts'
import type { Failure, Scenario } from './schema.ts'

/** After so many rounds of every machine without any change there will be no move before the next. */
const QUIET_ROUNDS = 64
/** Chance of the policy is not that of the jobs: all policies get the same jobs. */
const POLICY_SEED = 0x9e3779b9

export interface RunResult {
  /** How many times longer each job took than alone on the fastest machine. */
  readonly slowdowns: Float64Array
  readonly moves: number
  /** Jobs begun anew because their machine went down. */
  readonly restarts: number
}

/** One seed of a scenario under one policy, until the last job is done. */
export function runScenario(
  scenario: Scenario,
  policy: new (init: PolicyInit) => Policy,
  seed: number,
): RunResult {
  return new Run(scenario, policy, seed).run()
}

class Run {
  readonly #clock = new VirtualClock()
  readonly #scenario: Scenario
  readonly #policy: Policy
  readonly #jobs: readonly Job[]
  readonly #machines: readonly Machine[]
  /** Per machine: what it told last; unused where everything is known at once. */
  readonly #told: MachineView[]
  readonly #ends: (TimerHandle | undefined)[] = []
  readonly #rounds: TimerHandle[] = []
  /** Jobs that came while no machine was up. */
  readonly #waiting: Job[] = []
  readonly #slowdowns: number[] = []
  readonly #speedMost: number
  #quietRounds = 0
  #isResting = false
  #moves = 0
  #restarts = 0

  constructor(scenario: Scenario, policy: new (init: PolicyInit) => Policy, seed: number) {
    this.#scenario = scenario
    this.#jobs = drawJobs(scenario, seededRandom(seed))
    this.#machines = scenario.machines.map((init) => new Machine(init, scenario.thrashing))
    this.#speedMost = Math.max(...scenario.machines.map(({ speed }) => speed))
    this.#told = this.#machines.map((_, index) => this.#view(index))
    this.#policy = new policy({
      random: seededRandom(seed ^ POLICY_SEED),
      machines: this.#machines.length,
      look: scenario.look,
    })
  }

  run(): RunResult {
    const { failures, newsS } = this.#scenario
    for (const job of this.#jobs) this.#at(job.arrivesS, () => this.#place(job))
    for (const failure of failures) this.#at(failure.atS, () => this.#fail(failure))
    for (const index of this.#machines.keys()) {
      const phase = index / this.#machines.length
      if (newsS > 0) this.#at(phase * newsS, () => this.#tell(index))
    }
    this.#scheduleRounds()
    while (this.#slowdowns.length < this.#jobs.length && this.#clock.step());
    const slowdowns = Float64Array.from(this.#slowdowns)
    return { slowdowns, moves: this.#moves, restarts: this.#restarts }
  }

  get #nowS(): number {
    return this.#clock.nowMs() / 1_000
  }

  #at(atS: number, fire: () => void): TimerHandle {
    return this.#clock.after((atS - this.#nowS) * 1_000, fire)
  }

  #place(job: Job): void {
    const up = this.#known()
    if (up.length === 0) {
      this.#waiting.push(job)
      return
    }
    const to = this.#policy.place(job.memoryMb, up, this.#nowS)
    this.#machines[to]!.add(job, job.cpuS, this.#nowS)
    this.#changed(to)
  }

  #changed(index: number): void {
    this.#quietRounds = 0
    if (this.#isResting) this.#scheduleRounds()
    this.#ends[index]?.cancel()
    const next = this.#machines[index]!.next()
    this.#ends[index] = next && this.#at(next.atS, () => this.#done(index, next.running))
  }

  #done(index: number, running: RunningJob): void {
    this.#machines[index]!.remove(running, this.#nowS)
    const { arrivesS, cpuS } = running.job
    this.#slowdowns.push(((this.#nowS - arrivesS) * this.#speedMost) / cpuS)
    this.#changed(index)
  }

  #fail({ machine: id, forS, speedLeft }: Failure): void {
    const index = this.#machines.findIndex(({ init }) => init.id === id)
    const machine = this.#machines[index]!
    machine.setSpeedLeft(speedLeft, this.#nowS)
    this.#at(this.#nowS + forS, () => {
      machine.setSpeedLeft(1, this.#nowS)
      this.#changed(index)
      for (const job of this.#waiting.splice(0)) this.#place(job)
    })
    const lost = machine.isUp ? [] : [...machine.jobs]
    for (const running of lost) machine.remove(running, this.#nowS)
    this.#changed(index)
    for (const { job } of lost) {
      this.#restarts++
      this.#place(job)
    }
  }

  #tell(index: number): void {
    this.#told[index] = this.#view(index)
    this.#at(this.#nowS + this.#scenario.newsS, () => this.#tell(index))
  }

  #scheduleRounds(): void {
    this.#isResting = false
    if (this.#policy.round === undefined) return
    const { roundS } = this.#scenario
    for (const index of this.#machines.keys()) {
      const phase = (index + 1) / this.#machines.length
      this.#rounds[index]?.cancel()
      this.#rounds[index] = this.#at(this.#nowS + phase * roundS, () => this.#round(index))
    }
  }

  #round(index: number): void {
    if (this.#quietRounds++ > QUIET_ROUNDS * this.#machines.length) {
      this.#isResting = true
      return
    }
    const next = this.#nowS + this.#scenario.roundS
    this.#rounds[index] = this.#at(next, () => this.#round(index))
    const machine = this.#machines[index]!
    if (machine.jobs.size === 0) return
    const nowS = this.#nowS
    const running = [...machine.jobs]
    const jobs = running.map(({ job, sinceS }, at) => ({
      index: at,
      memoryMb: job.memoryMb,
      ageS: nowS - sinceS,
    }))
    const others = this.#known().filter((other) => other.index !== index)
    for (const { job, to } of this.#policy.round!(this.#view(index), jobs, others, nowS)) {
      this.#moves++
      const leftS = machine.remove(running[job]!, nowS)
      this.#machines[to]!.add(running[job]!.job, leftS, nowS)
      this.#changed(index)
      this.#changed(to)
    }
  }

  /** The machines that are up, as they are known. */
  #known(): MachineView[] {
    const views: MachineView[] = []
    for (const [index, machine] of this.#machines.entries()) {
      if (!machine.isUp) continue
      views.push(this.#scenario.newsS > 0 ? this.#told[index]! : this.#view(index))
    }
    return views
  }

  #view(index: number): MachineView {
    const { init, jobs, usedMb, speedLeft } = this.#machines[index]!
    const takenAway = 1 - speedLeft
    return { ...init, index, jobs: jobs.size, usedMb, takenAway, toldAtS: this.#nowS }
  }
}
