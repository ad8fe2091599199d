/**
 * The two figures of a load. What a node tells the others rises soon and falls slowly, and has
 * what came lately on top; what it reckons with itself rises slowly and falls soon. Between the
 * two lies what a move must at least gain: nobody is flooded, and nobody flees, for one moment.
 * After MOSIX, whose load balancer keeps the same two figures; there the newest figure counts at once
 * in one direction. With requests that come by chance that is the largest of some, and the two are so
 * far apart that nodes stay unequal by a third (`aries simulate --scenario scaling`): here it counts
 * half.
 */

/** Weight of the newest figure in the load that is told. */
const TOLD = { rise: 0.5, fall: 0.25 }
/** Weight of the newest figure in the load that this node reckons with. */
const OWN = { rise: 0.25, fall: 0.5 }
/** What has just come counts on top for about this long: until it shows in what is measured. */
const ARRIVED_MS = 2_000

/** The figures of a `LoadVector` that change from one moment to the next. */
export interface MeasuredLoad {
  readonly cpu: number
  readonly loop: number
  readonly requests: number
  readonly ioBytesPerSecond: number
}

export class ToldLoad {
  #told: MeasuredLoad | undefined
  #own: MeasuredLoad | undefined
  #arrivedCpu = 0

  /** A worker has come, which is expected to use that much of a core. */
  arrived(cpu: number): void {
    this.#arrivedCpu += cpu
  }

  /** Takes in what was measured over the last `elapsedMs`. */
  sample(now: MeasuredLoad, elapsedMs: number): { told: MeasuredLoad; own: MeasuredLoad } {
    const told = smooth(this.#told, now, TOLD)
    const own = smooth(this.#own, now, OWN)
    this.#told = told
    this.#own = own
    this.#arrivedCpu *= Math.exp(-elapsedMs / ARRIVED_MS)
    return { told: { ...told, cpu: told.cpu + this.#arrivedCpu }, own }
  }
}

function smooth(
  before: MeasuredLoad | undefined,
  now: MeasuredLoad,
  weight: { rise: number; fall: number },
): MeasuredLoad {
  if (!before) return now
  const mixed = (name: keyof MeasuredLoad): number => {
    const change = now[name] - before[name]
    return before[name] + change * (change > 0 ? weight.rise : weight.fall)
  }
  return {
    cpu: mixed('cpu'),
    loop: mixed('loop'),
    requests: mixed('requests'),
    ioBytesPerSecond: mixed('ioBytesPerSecond'),
  }
}
