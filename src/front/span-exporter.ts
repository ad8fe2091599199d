import type { ConfigFile } from '../config/schema.ts'
import type { Logger } from '../log.ts'
import { Agent } from '../undici.ts'
import { VERSION } from '../version.ts'
import type { TimerHandle, World } from '../world.ts'
import { exportBody } from './otlp.ts'
import type { RequestDetail } from './request-detail.ts'

type ExportSettings = NonNullable<NonNullable<ConfigFile['front']['trace']>['export']>

/** Pause after a failure; doubled while it goes on. */
const PAUSE_FIRST_MS = 1_000
const PAUSE_MAX_MS = 30_000
/** What is left at the end of the process gets so long. */
const LAST_MS = 1_000
/** Answers of a collector that may take the same batch later (OTLP specification). */
const LATER: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * Sends recorded requests to a collector of OpenTelemetry, a batch at a time. It runs in the main
 * thread, away from the clients: a collector that is slow or gone costs spans, which are counted, and
 * nothing else.
 */
export class SpanExporter {
  readonly #c: { readonly log: Logger; readonly world: World }
  readonly #front: string
  #settings: ExportSettings | undefined
  #agent: Agent | undefined
  #queue: RequestDetail[] = []
  #sending: Promise<void> | undefined
  #pause: TimerHandle | undefined
  #pauseMs = 0
  #isOver = false
  /** Ends what is being sent. */
  #cut: AbortController | undefined
  /** Requests whose spans the collector took, and those whose spans are lost. */
  readonly counts = { exported: 0, dropped: 0 }

  /** `front`: its id. */
  constructor(
    components: { readonly log: Logger; readonly world: World },
    init: { readonly front: string },
  ) {
    this.#c = components
    this.#front = init.front
  }

  /** Undefined: nothing is sent from now on. */
  set(settings: ExportSettings | undefined): void {
    this.#settings = settings
    if (settings === undefined) this.#drop(this.#queue.splice(0).length)
    else this.#agent ??= new Agent({ connections: 1, pipelining: 1, allowH2: false })
  }

  /** `dropped`: so many were lost before they came here. */
  add(requests: readonly RequestDetail[], dropped: number): void {
    this.#drop(dropped)
    const room = Math.max(0, (this.#settings?.queueMax ?? 0) - this.#queue.length)
    this.#queue.push(...requests.slice(0, room))
    this.#drop(Math.max(0, requests.length - room))
    this.#next()
  }

  /** Sends what waits, for a moment. */
  async stop(): Promise<void> {
    this.#isOver = true
    this.#pause?.cancel()
    const cut = setTimeout(() => this.#cut?.abort(), LAST_MS)
    await this.#sending
    if (this.#queue.length > 0 && this.#pauseMs === 0) await this.#send(LAST_MS)
    clearTimeout(cut)
    this.#drop(this.#queue.splice(0).length)
    await this.#agent?.destroy()
  }

  #next(): void {
    if (this.#sending || this.#pause || this.#isOver) return
    if (this.#queue.length === 0 || !this.#settings) return
    this.#sending = this.#send(this.#settings.timeoutMs).finally(() => {
      this.#sending = undefined
      this.#next()
    })
  }

  async #send(timeoutMs: number): Promise<void> {
    const { batchMax = 0, queueMax = 0 } = this.#settings ?? {}
    const batch = this.#queue.splice(0, batchMax)
    const fault = await this.#post(batch, timeoutMs)
    if (fault === undefined) {
      this.counts.exported += batch.length
      if (this.#pauseMs > 0) this.#c.log.info('spans are exported again')
      this.#pauseMs = 0
      return
    }
    if (fault.later) this.#queue.unshift(...batch)
    else this.#drop(batch.length)
    this.#drop(this.#queue.splice(queueMax).length)
    if (this.#pauseMs === 0) this.#c.log.warn({ why: fault.why }, 'spans cannot be exported')
    this.#pauseMs = Math.min(PAUSE_MAX_MS, Math.max(PAUSE_FIRST_MS, 2 * this.#pauseMs))
    if (this.#isOver) return
    this.#pause = this.#c.world.clock.after(this.#pauseMs, () => {
      this.#pause = undefined
      this.#next()
    })
  }

  /** Why the collector did not take them; undefined: it did. */
  async #post(
    batch: readonly RequestDetail[],
    timeoutMs: number,
  ): Promise<{ readonly why: string; readonly later: boolean } | undefined> {
    const { url, headers } = this.#settings!
    const { origin, pathname, search } = new URL(url)
    const cut = new AbortController()
    this.#cut = cut
    const timer = setTimeout(() => cut.abort(), timeoutMs)
    try {
      const { statusCode, body } = await this.#agent!.request({
        origin,
        path: `${pathname}${search}`,
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: exportBody(batch, { front: this.#front, version: VERSION }),
        signal: cut.signal,
      })
      await body.dump()
      if (statusCode >= 200 && statusCode < 300) return undefined
      return { why: `the collector answered ${statusCode}`, later: LATER.has(statusCode) }
    } catch (error) {
      return { why: (error as Error).message, later: true }
    } finally {
      clearTimeout(timer)
    }
  }

  #drop(count: number): void {
    this.counts.dropped += count
  }
}
