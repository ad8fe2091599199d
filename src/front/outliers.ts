/**
 * Which upstreams are out because they answer clients worse than the others: Envoy's outlier
 * detection (consecutive failures, success rate, failure rate, growing ejections). Once for all shards
 * of a front. Pure: time comes in.
 */
import type { ConfigFile } from '../config/schema.ts'

export type OutlierRules = ConfigFile['outliers']

/** What is known of one upstream. */
interface Watched {
  rules: OutlierRules
  /** Names of the groups that it is in: of a group only a part may be out. */
  groups: readonly string[]
  /** Of the running interval. */
  requests: number
  failed: number
  /** Times that it was out; each quiet interval takes one off. */
  times: number
  /** While it is out. */
  untilMs: number | undefined
}

export interface Ejection {
  readonly url: string
  /** In words, for people. */
  readonly why: string
  /** How long. */
  readonly ms: number
}

export class Outliers {
  readonly #watched = new Map<string, Watched>()
  #nextMs = 0

  /** Watches these and no others. */
  set(upstreams: ReadonlyMap<string, { rules: OutlierRules; groups: readonly string[] }>): void {
    for (const url of this.#watched.keys()) if (!upstreams.has(url)) this.#watched.delete(url)
    for (const [url, { rules, groups }] of upstreams) {
      const known = this.#watched.get(url)
      if (known !== undefined) Object.assign(known, { rules, groups })
      else {
        const fresh = { requests: 0, failed: 0, times: 0, untilMs: undefined }
        this.#watched.set(url, { rules, groups, ...fresh })
      }
    }
  }

  isOut(url: string): boolean {
    return this.#watched.get(url)?.untilMs !== undefined
  }

  /** Milliseconds that it stays out; 0: it is not. */
  leftMs(url: string, nowMs: number): number {
    return Math.max(0, (this.#watched.get(url)?.untilMs ?? nowMs) - nowMs)
  }

  /** Requests that a shard sent there, and how many of them failed. */
  count(url: string, requests: number, failed: number): void {
    const one = this.#watched.get(url)
    if (one === undefined) return
    one.requests += requests
    one.failed += failed
  }

  /** Too many failed in a row; undefined when it stays in, because too many are out already. */
  failedInRow(url: string, why: string, nowMs: number): Ejection | undefined {
    const one = this.#watched.get(url)
    return one === undefined ? undefined : this.#eject(url, one, why, nowMs)
  }

  /** A check passed; true when that takes it back. */
  checked(url: string): boolean {
    const one = this.#watched.get(url)
    if (one?.untilMs === undefined || !one.rules.endedByCheck) return false
    one.untilMs = undefined
    return true
  }

  /** Whose time is up. Call now and then. */
  back(nowMs: number): string[] {
    const back: string[] = []
    for (const [url, one] of this.#watched) {
      if (one.untilMs === undefined || nowMs < one.untilMs) continue
      one.untilMs = undefined
      back.push(url)
    }
    return back
  }

  /** Compares rates once an interval. Call at least once a second. */
  compare(nowMs: number): Ejection[] {
    if (nowMs < this.#nextMs) return []
    const all = [...this.#watched]
    const intervalMs = Math.min(...all.map(([, { rules }]) => rules.intervalMs))
    if (all.length === 0) return []
    const isFirst = this.#nextMs === 0
    this.#nextMs = nowMs + intervalMs
    const groups = new Set(all.flatMap(([, one]) => one.groups))
    const ejections = isFirst
      ? []
      : [...groups].flatMap((group) =>
          this.#compareGroup(
            all.filter(([, one]) => one.groups.includes(group)),
            nowMs,
          ),
        )
    for (const [, one] of all) {
      if (one.untilMs === undefined && one.times > 0) one.times -= 1
      one.requests = 0
      one.failed = 0
    }
    return ejections
  }

  #compareGroup(members: readonly [string, Watched][], nowMs: number): Ejection[] {
    const rules = members[0]![1].rules
    const busy = members.filter(
      ([, one]) => one.untilMs === undefined && one.requests >= rules.requestsMin,
    )
    if (busy.length < rules.upstreamsMin) return []
    const rates = busy.map(([, one]) => 1 - one.failed / one.requests)
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
    const least = mean - rules.deviations * Math.sqrt(variance)
    const ejections: Ejection[] = []
    for (const [i, [url, one]] of busy.entries()) {
      const rate = rates[i]!
      const why =
        rules.deviations > 0 && rate < least
          ? `${percent(rate)} of its answers were good, ${percent(mean)} of all`
          : rules.failureRate > 0 && 1 - rate >= rules.failureRate
            ? `${percent(1 - rate)} of its requests failed`
            : undefined
      const ejection = why === undefined ? undefined : this.#eject(url, one, why, nowMs)
      if (ejection !== undefined) ejections.push(ejection)
    }
    return ejections
  }

  #eject(url: string, one: Watched, why: string, nowMs: number): Ejection | undefined {
    if (one.untilMs !== undefined || one.groups.some((group) => this.#isFull(group, one.rules))) {
      return undefined
    }
    one.times += 1
    const ms = Math.min(one.rules.ejectionMs * one.times, one.rules.ejectionMsMax)
    one.untilMs = nowMs + ms
    return { url, why, ms }
  }

  /** Whether no more of the group may be out. */
  #isFull(group: string, { ejectedMax }: OutlierRules): boolean {
    let all = 0
    let out = 0
    for (const { groups, untilMs } of this.#watched.values()) {
      if (!groups.includes(group)) continue
      all += 1
      if (untilMs !== undefined) out += 1
    }
    return out > 0 && (out + 1) / all > ejectedMax
  }
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)}%`
}
