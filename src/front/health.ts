/**
 * Active health checks of the upstreams. They run in the front's main thread, once for all shards;
 * a verdict that changes goes to the shards. A shard that cannot connect says so at once (`failed`),
 * and then the upstream is out until a check that began later passes.
 */
import { connect } from 'node:net'
import { Agent, type Dispatcher, request } from 'undici'
import type { ConfigFile } from '../config/schema.ts'
import type { Logger } from '../log.ts'
import type { TimerHandle, World } from '../world.ts'
import type { UpstreamAddress } from './routes.ts'

export interface HealthComponents {
  readonly log: Logger
  readonly world: World
  readonly onChange: (url: string, healthy: boolean) => void
}

interface Checked {
  readonly address: UpstreamAddress
  healthy: boolean
  /** Checks in a row that contradict the verdict. */
  contradictions: number
  /** Raised when a shard reports a failure: checks begun before it do not count. */
  failures: number
  timer: TimerHandle | undefined
}

export class HealthChecks {
  readonly #components: HealthComponents
  #init: ConfigFile['health']
  readonly #checked = new Map<string, Checked>()
  readonly #agent: Dispatcher = new Agent({ pipelining: 0, allowH2: false })

  constructor(components: HealthComponents, init: ConfigFile['health']) {
    this.#components = components
    this.#init = init
  }

  /** Checks these and no others; a new one is healthy until it is found not to be. */
  set(addresses: readonly UpstreamAddress[], init: ConfigFile['health']): void {
    this.#init = init
    const urls = new Set(addresses.map((address) => address.url))
    for (const [url, checked] of this.#checked) {
      if (urls.has(url)) continue
      checked.timer?.cancel()
      this.#checked.delete(url)
    }
    for (const address of addresses) {
      if (this.#checked.has(address.url)) continue
      const checked: Checked = {
        address,
        healthy: true,
        contradictions: 0,
        failures: 0,
        timer: undefined,
      }
      this.#checked.set(address.url, checked)
      void this.#check(checked)
    }
  }

  /** A connection of a client's request failed there. */
  failed(url: string): void {
    const checked = this.#checked.get(url)
    if (checked === undefined) return
    checked.failures += 1
    checked.contradictions = 0
    if (checked.healthy) this.#decide(checked, false)
  }

  unhealthy(): string[] {
    return [...this.#checked.values()].filter((one) => !one.healthy).map((one) => one.address.url)
  }

  async stop(): Promise<void> {
    for (const checked of this.#checked.values()) checked.timer?.cancel()
    this.#checked.clear()
    await this.#agent.destroy()
  }

  async #check(checked: Checked): Promise<void> {
    const { address, failures } = checked
    const passed = address.url.startsWith('tcp:')
      ? await connects(address, this.#init.timeoutMs)
      : await this.#answers(address)
    if (this.#checked.get(address.url) !== checked) return
    if (checked.failures === failures) this.#count(checked, passed)
    checked.timer = this.#components.world.clock.after(this.#init.intervalMs, () => {
      void this.#check(checked)
    })
  }

  async #answers(address: UpstreamAddress): Promise<boolean> {
    try {
      const { statusCode, body } = await request(new URL(this.#init.path, address.url), {
        dispatcher: this.#agent,
        headers: { 'user-agent': 'aries-health' },
        signal: AbortSignal.timeout(this.#init.timeoutMs),
      })
      await body.dump({ limit: 65_536 })
      return statusCode < 500
    } catch {
      return false
    }
  }

  #count(checked: Checked, passed: boolean): void {
    if (passed === checked.healthy) {
      checked.contradictions = 0
      return
    }
    checked.contradictions += 1
    if (checked.contradictions >= (passed ? this.#init.rise : this.#init.fall)) {
      this.#decide(checked, passed)
    }
  }

  #decide(checked: Checked, healthy: boolean): void {
    checked.healthy = healthy
    checked.contradictions = 0
    const { url } = checked.address
    this.#components.log.info({ upstream: url, healthy }, 'upstream health changed')
    this.#components.onChange(url, healthy)
  }
}

function connects({ host, port }: UpstreamAddress, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const end = (passed: boolean): void => {
      socket.destroy()
      resolve(passed)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}
