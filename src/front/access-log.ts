import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
import type { ConfigFile } from '../config/schema.ts'
import type { Logger } from '../log.ts'
import type { Random } from '../world.ts'
import { AccessFile } from './access-file.ts'
import { commonLine } from './common-line.ts'
import type { EngineHooks, ExchangeRecord } from './http1/stats.ts'

type AccessLogSettings = NonNullable<ConfigFile['accessLog']>

/** From this status on an exchange is logged whatever `sample` is. */
const STATUS_FAILED = 400

/**
 * A line for each finished exchange of one shard. It never holds an exchange up: lines that the
 * disk does not take are lost, with a warning.
 */
export class AccessLog {
  /** For the engines. While there is no log, exchanges are not even described. */
  readonly hooks: { -readonly [K in keyof EngineHooks]: EngineHooks[K] } = {}
  readonly #c: { log: Logger; random: Random }
  readonly #base: { readonly front: string; readonly shard: number }
  #settings: AccessLogSettings | undefined
  #file: AccessFile | undefined

  /** `base`: what every JSON line has. */
  constructor(
    components: { log: Logger; random: Random },
    base: { readonly front: string; readonly shard: number },
  ) {
    this.#c = components
    this.#base = base
  }

  /** Undefined: nothing is logged from now on. */
  set(settings: AccessLogSettings | undefined): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return
    void this.#file?.close()
    this.#settings = settings
    this.#file = undefined
    delete this.hooks.exchangeDone
    if (!settings) return
    const file = new AccessFile(this.#c, settings.file)
    this.#file = file
    const write = settings.format === 'json' ? this.#jsonWriter(file) : commonWriter(file)
    const { random } = this.#c
    this.hooks.exchangeDone = (record) => {
      const failed = record.status < 100 || record.status >= STATUS_FAILED
      if (!failed && settings.sample < 1 && random.next() >= settings.sample) return
      write(record, settings.query ? record.target : withoutQuery(record.target))
    }
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    await this.#file?.close()
  }

  #jsonWriter(file: AccessFile): (record: ExchangeRecord, path: string) => void {
    const lines: PinoLogger = pino(
      {
        base: this.#base,
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (level) => ({ level }) },
      },
      file,
    )
    return ({ remoteAddress, targetId, ...record }, path) => {
      const { method, version, status, ms, bytesIn, bytesOut, attempts, error } = record
      const { requestId, traceId } = record
      lines.info({
        remote: remoteAddress,
        method,
        path,
        http: version,
        status,
        ms: Math.round(ms * 1_000) / 1_000,
        bytesIn,
        bytesOut,
        target: targetId,
        attempts,
        ...(error && { error }),
        ...(requestId && { requestId }),
        ...(traceId && { traceId }),
      })
    }
  }
}

function commonWriter(file: AccessFile): (record: ExchangeRecord, path: string) => void {
  return (record, path) => file.write(commonLine({ ...record, target: path }, new Date()))
}

/** Tokens travel in queries. */
function withoutQuery(target: string): string {
  const at = target.indexOf('?')
  return at < 0 ? target : target.slice(0, at)
}
