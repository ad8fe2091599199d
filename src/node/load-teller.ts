import type { ClassLoad, LoadVector, Membership } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import type { TimerHandle, World } from '../world.ts'
import { CpuWait } from './cpu-wait.ts'
import { LoadMeter, type LoadMeterComponents } from './load-meter.ts'
import { Machine } from './machine.ts'
import type { OpenWorkers } from './open-workers.ts'
import { SpeedGauge } from './speed-gauge.ts'

const INTERVAL_MS = 250
/** Part of the CPU in use up to which the machine is at rest. */
const REST = 0.25

export interface LoadTellerComponents extends Omit<LoadMeterComponents, 'machine' | 'wait'> {
  readonly gossip: Pick<Membership, 'setLoad'>
  readonly open: OpenWorkers
  readonly log: Logger
  readonly world: World
}

export interface LoadTellerInit {
  /** Of one of its cores, as the map says; undefined: it is measured. */
  readonly speed: number | undefined
  /** Is done before each telling. `intervalMs`: since the last. */
  readonly before: (intervalMs: number) => void
}

/** Tells all members, four times a second, what this node has to do. */
export class LoadTeller {
  readonly #c: LoadTellerComponents
  readonly #init: LoadTellerInit
  readonly #meter: LoadMeter
  readonly #gauge: SpeedGauge
  #timer: TimerHandle | undefined

  constructor(components: LoadTellerComponents, init: LoadTellerInit) {
    this.#c = components
    this.#init = init
    const { world } = components
    const system = { machine: new Machine(world), wait: new CpuWait(world) }
    this.#gauge = new SpeedGauge(
      { world },
      { given: init.speed, isAtRest: () => this.#isAtRest },
      (speed) => components.log.info({ speed }, 'speed of a core, measured'),
    )
    this.#meter = new LoadMeter({ ...components, ...system }, { speed: () => this.#gauge.speed })
  }

  /** The load that this node itself reckons with; undefined before the first telling. */
  get own(): LoadVector | undefined {
    return this.#meter.own
  }

  /** See `LoadMeter`. */
  get stretch(): number {
    return this.#meter.stretch
  }

  /** Of one of its cores; see `SpeedGauge`. */
  get speed(): number {
    return this.#gauge.speed
  }

  /** A worker of that class has come. */
  arrived(className: string): void {
    this.#meter.arrived(this.#classes().find(({ name }) => name === className)?.cpu ?? 0)
  }

  /** A job has begun, which asked for so many cores. */
  begun(cpu: number): void {
    this.#meter.arrived(cpu * this.speed)
  }

  start(): void {
    this.#gauge.start()
    this.#tell()
  }

  #tell(): void {
    this.#init.before(INTERVAL_MS)
    this.#c.gossip.setLoad(this.#meter.sample(this.#c.open.count, this.#classes()))
    this.#timer = this.#c.world.clock.after(INTERVAL_MS, () => this.#tell())
  }

  stop(): void {
    this.#timer?.cancel()
    this.#meter.stop()
    this.#gauge.stop()
  }

  get #isAtRest(): boolean {
    const own = this.own
    return own !== undefined && own.cpu < REST * own.cpuCapacity
  }

  /** How many there are is known at once; what they use, when their hosts have told. */
  #classes(): ClassLoad[] {
    const used = this.#c.hosts.classes()
    return Array.from(this.#c.open.classes, ([name, workers]) => {
      const total = used.get(name) ?? { workers: 0, cpu: 0, stateBytes: 0 }
      const told = Math.max(1, total.workers)
      const { cpu, stateBytes } = total
      return { name, workers, cpu: Math.max(0, cpu) / told, stateBytes: stateBytes / told }
    })
  }
}
