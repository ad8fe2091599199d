/** A front or a node as a process in the foreground: configuration, signals, parent, exit code. */
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { watchConfig } from '../config/watch.ts'
import { toAriesError } from '../errors.ts'
import { cannotSucceed, isSuccessor } from '../front/successor.ts'
import { createLogger, type Logger } from '../log.ts'
import { RESTART, type Running, type RunOptions } from '../running.ts'
import { type ConfigOptions, configFileOf, mapFileOf } from './options.ts'
import { EXIT } from './output.ts'
import { becomeNew } from './self-restart.ts'
import { onStopSignals } from './signals.ts'

/** The reason that says: all members end, there is nobody to move workers to. */
export const CLUSTER_STOPS = 'cluster-stops'

/** What `aries dev` says to a member; a closed channel says the same. */
export interface StopMessage {
  readonly type: 'stop'
}

/** After this an orphan ends without order: whoever started it is gone. */
const ORPHAN_STOP_MS = 4_000
/** A stopped process that something still holds open is ended. */
const LINGER_MS = 1_000

export interface MemberOptions extends ConfigOptions {
  readonly id: string
}

/** Runs until it is stopped or ends by itself; resolves with the exit code. */
export async function runMember(
  role: 'front' | 'node',
  options: MemberOptions,
  run: (options: RunOptions) => Promise<Running>,
): Promise<number> {
  try {
    return await runLoaded(role, options, run)
  } catch (thrown) {
    cannotSucceed(thrown)
    throw thrown
  }
}

async function runLoaded(
  role: 'front' | 'node',
  options: MemberOptions,
  run: (options: RunOptions) => Promise<Running>,
): Promise<number> {
  const { id } = options
  const config = await loadConfig(configFileOf(options), mapFileOf(options))
  const log = createLogger({ role, id }, process.env['ARIES_LOG'] ?? config.log.level)
  const stopping = Promise.withResolvers<string>()
  const unhear = hearStops(stopping.resolve, isSuccessor())
  let watch: { close(): void } | undefined
  try {
    const running = await run({ config, configFile: config.file, id, log })
    watch = watchConfig(config, handlersOf(running, log), mapFileOf(options))
    void stopping.promise.then((reason) => stop(running, reason, log))
    const ended = await running.stopped
    return ended === RESTART ? becomeNew() : ended
  } finally {
    watch?.close()
    unhear()
    const linger = setTimeout(() => {
      log.warn('something still holds the stopped process open; it is ended')
      process.exit()
    }, LINGER_MS)
    linger.unref()
  }
}

function handlersOf(running: Running, log: Logger) {
  return {
    onChange(config: Config): void {
      log.info({ mapEpoch: config.map.epoch }, 'the configuration has changed')
      running.setRefusal?.(undefined)
      running
        .setConfig(config)
        .catch((error) => log.error({ err: error }, 'it did not take effect'))
    },
    onRefused(error: Error): void {
      log.warn(`the changed configuration is refused, the old one stays: ${error.message}`)
      running.setRefusal?.(`the changed configuration is refused: ${error.message}`)
    },
  }
}

async function stop(running: Running, reason: string, log: Logger): Promise<void> {
  try {
    await running.stop(reason)
  } catch (thrown) {
    log.error({ err: toAriesError(thrown) }, 'it did not stop in order')
    process.exit(EXIT.failed)
  }
}

/** Hears signals and the parent; returns how to stop hearing. The parent of a successor ends before it. */
function hearStops(stop: (reason: string) => void, isSuccessor: boolean): () => void {
  const unhearSignals = onStopSignals({
    onFirst: stop,
    onSecond: () => process.exit(EXIT.failed),
  })
  const onMessage = (message: unknown): void => {
    if ((message as StopMessage | null)?.type === 'stop') stop(CLUSTER_STOPS)
  }
  const onDisconnect = (): void => {
    stop(CLUSTER_STOPS)
    setTimeout(() => process.exit(EXIT.failed), ORPHAN_STOP_MS).unref()
  }
  if (isSuccessor) return unhearSignals
  process.on('message', onMessage)
  process.on('disconnect', onDisconnect)
  process.channel?.unref()
  return () => {
    unhearSignals()
    process.off('message', onMessage)
    process.off('disconnect', onDisconnect)
  }
}
