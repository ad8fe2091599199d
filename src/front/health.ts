/**
 * Active health checks of the upstreams. They run in the front's main thread, once for all shards;
 * a verdict that changes goes to the shards. A shard that cannot connect says so at once (`failed`),
 * and then the upstream is out until a check that began later passes.
 */
import { connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Dispatcher } from 'undici'
import { formatAddress } from '../config/address.ts'
import type { ConfigFile } from '../config/schema.ts'
import { Agent, H2CClient } from '../undici.ts'
import type { TimerHandle, World } from '../world.ts'
import type { UpstreamAddress } from './routes.ts'
import type { UpstreamTls } from './upstream-tls.ts'

export type HealthSettings = ConfigFile['health']

export interface HealthComponents {
  readonly world: World
  /** The verdict changed; `why`: in words, for one that is ill. */
  readonly onChange: (url: string, healthy: boolean, why: string) => void
  readonly onPassed: (url: string) => void
  /** Whether it had requests since this was asked last. */
  readonly hadTraffic: (url: string) => boolean
}

interface Checked {
  readonly address: UpstreamAddress
  readonly tls: UpstreamTls | undefined
  /** Undefined: one for all. */
  readonly dispatcher: Dispatcher | undefined
  settings: HealthSettings
  healthy: boolean
  /** Checks in a row that contradict the verdict. */
  contradictions: number
  /** Raised when a shard reports a failure: checks begun before it do not count. */
  failures: number
  timer: TimerHandle | undefined
}

export class HealthChecks {
  readonly #components: HealthComponents
  readonly #checked = new Map<string, Checked>()
  readonly #agent: Dispatcher = new Agent({ pipelining: 0, allowH2: false })

  constructor(components: HealthComponents) {
    this.#components = components
  }

  /**
   * Checks these and no others; a new one is healthy until it is found not to be, or is known not to
   * be (`unhealthy`).
   */
  set(
    addresses: readonly UpstreamAddress[],
    settings: HealthSettings,
    tls: ReadonlyMap<string, UpstreamTls> = new Map(),
    unhealthy: readonly string[] = [],
  ): void {
    const urls = new Set(addresses.map((address) => address.url))
    const ill = new Set<string>()
    for (const [url, checked] of this.#checked) {
      if (urls.has(url) && isDeepStrictEqual(checked.tls, tls.get(url))) continue
      // With other certificates it is checked anew, and is meanwhile what it was.
      if (!checked.healthy) ill.add(url)
      this.#forget(url, checked)
    }
    for (const address of addresses) {
      const own = settingsOf(address, settings)
      const known = this.#checked.get(address.url)
      if (known !== undefined) {
        known.settings = own
        continue
      }
      const terms = tls.get(address.url)
      const checked: Checked = {
        address,
        tls: terms,
        dispatcher: dispatcherOf(address, terms),
        settings: own,
        healthy: !ill.has(address.url) && !unhealthy.includes(address.url),
        contradictions: 0,
        failures: 0,
        timer: undefined,
      }
      this.#checked.set(address.url, checked)
      void this.#check(checked)
    }
  }

  /** A connection of a client's request failed there. */
  failed(url: string, why = 'no connection could be made'): void {
    const checked = this.#checked.get(url)
    if (checked === undefined) return
    checked.failures += 1
    checked.contradictions = 0
    if (checked.healthy) this.#decide(checked, false, why)
  }

  async stop(): Promise<void> {
    for (const [url, checked] of this.#checked) this.#forget(url, checked)
    await this.#agent.destroy()
  }

  #forget(url: string, { timer, dispatcher }: Checked): void {
    timer?.cancel()
    this.#checked.delete(url)
    void dispatcher?.destroy()
  }

  async #check(checked: Checked): Promise<void> {
    const { address, settings, failures } = checked
    const fault =
      settings.kind === 'tcp'
        ? await connectFault(address, settings.timeoutMs)
        : await this.#answerFault(checked)
    if (this.#checked.get(address.url) !== checked) return
    if (checked.failures === failures) this.#count(checked, fault)
    const { clock } = this.#components.world
    checked.timer = clock.after(this.#pauseMs(checked), () => void this.#check(checked))
  }

  #pauseMs({ address, settings, healthy, contradictions }: Checked): number {
    const { intervalMs, idleIntervalMs = intervalMs, jitter } = settings
    const isBusy = this.#components.hadTraffic(address.url) || !healthy || contradictions > 0
    const ms = isBusy ? intervalMs : idleIntervalMs
    return ms * (1 + jitter * (2 * this.#components.world.random.next() - 1))
  }

  /** Undefined when the answer is one that is expected. */
  async #answerFault({ address, settings, dispatcher }: Checked): Promise<string | undefined> {
    const { path, host, expect, timeoutMs } = settings
    try {
      const { origin, pathname, search } = new URL(path, originOf(address))
      const { statusCode, body } = await (dispatcher ?? this.#agent).request({
        origin,
        path: `${pathname}${search}`,
        method: 'GET',
        headers: { 'user-agent': 'aries-health', ...(host && { host }) },
        signal: AbortSignal.timeout(timeoutMs),
      })
      await body.dump({ limit: 65_536 })
      return isExpected(statusCode, expect) ? undefined : `a check was answered ${statusCode}`
    } catch (thrown) {
      const { name, code } = thrown as NodeJS.ErrnoException
      return name === 'TimeoutError'
        ? `a check was not answered in ${timeoutMs} ms`
        : `a check failed (${code ?? name})`
    }
  }

  #count(checked: Checked, fault: string | undefined): void {
    const passed = fault === undefined
    if (passed) this.#components.onPassed(checked.address.url)
    if (passed === checked.healthy) {
      checked.contradictions = 0
      return
    }
    checked.contradictions += 1
    const { rise, fall } = checked.settings
    if (checked.contradictions >= (passed ? rise : fall)) this.#decide(checked, passed, fault ?? '')
  }

  #decide(checked: Checked, healthy: boolean, why: string): void {
    checked.healthy = healthy
    checked.contradictions = 0
    this.#components.onChange(checked.address.url, healthy, why)
  }
}

function originOf({ scheme, host, port }: UpstreamAddress): string {
  const secure = scheme === 'https' || scheme === 'h2'
  return `${secure ? 'https' : 'http'}://${formatAddress(host, port)}`
}

/** As its requests are sent; undefined: HTTP/1 over TCP. */
function dispatcherOf(
  { scheme, host, port, socketPath }: UpstreamAddress,
  { ca, cert, key, serverName, verify = true }: Partial<UpstreamTls> = {},
): Dispatcher | undefined {
  if (socketPath !== undefined) {
    return new Agent({ pipelining: 0, allowH2: false, connect: { socketPath } })
  }
  if (scheme === 'h2c') return new H2CClient(`http://${formatAddress(host, port)}`)
  if (scheme !== 'https' && scheme !== 'h2') return undefined
  const own = { ...(ca && { ca }), ...(cert && { cert, key }) }
  const connect = { ...own, ...(serverName && { servername: serverName }) }
  const allowH2 = scheme === 'h2'
  return new Agent({
    ...(allowH2 ? undefined : { pipelining: 0 }),
    allowH2,
    connect: { ...connect, rejectUnauthorized: verify },
  })
}

/** Those of its route over those of all; raw TCP can only be connected to. */
function settingsOf({ scheme, health }: UpstreamAddress, settings: HealthSettings): HealthSettings {
  const own = { ...settings, ...health } as HealthSettings
  return scheme === 'tcp' ? { ...own, kind: 'tcp' } : own
}

function isExpected(status: number, expect: readonly string[]): boolean {
  return expect.some((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return status >= first! && status <= last!
  })
}

function connectFault(
  { host, port, socketPath }: UpstreamAddress,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const place = socketPath === undefined ? { host, port } : { path: socketPath }
    const socket = connect({ ...place, timeout: timeoutMs })
    const end = (fault: string | undefined): void => {
      socket.destroy()
      resolve(fault)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end(`no connection in ${timeoutMs} ms`))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(`no connection (${code})`))
  })
}
