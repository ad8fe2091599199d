import type { ClassConfig, ClassOptions } from './schema/classes.ts'
import type { ConfigFile, ModuleName } from './schema.ts'

/** The classes with their options; what is not set for one is what `host` says for all. */
export function resolveClasses(
  files: ReadonlyMap<ModuleName, string>,
  host: Pick<
    ConfigFile['host'],
    'memoryMb' | 'queueMax' | 'requestTimeoutMs' | 'sleepAfterMs' | 'stateBytesMax'
  >,
  options: Readonly<Record<ModuleName, ClassOptions>>,
): Map<ModuleName, ClassConfig> {
  return new Map(
    Array.from(files, ([name, file]) => {
      const own = Object.hasOwn(options, name) ? options[name] : undefined
      const config: ClassConfig = {
        file,
        queueMax: own?.queueMax ?? host.queueMax,
        sleepAfterMs: own?.sleepAfterMs ?? host.sleepAfterMs,
        requestTimeoutMs: own?.requestTimeoutMs ?? host.requestTimeoutMs,
        stateBytesMax: own?.stateBytesMax ?? host.stateBytesMax,
        readsMax: own?.readsMax ?? 1,
        standby: own?.standby ?? 0,
        isolation: own?.isolation ?? 'shared',
        memoryMb: own?.memoryMb ?? host.memoryMb,
        ...(own?.near && { near: own.near }),
        ...(own?.pin && { pin: [own.pin].flat() }),
        spread: own?.spread ?? false,
        stay: own?.stay ?? false,
        ...(own?.perNodeMax !== undefined && { perNodeMax: own.perNodeMax }),
      }
      return [name, config]
    }),
  )
}

/** Whether each worker of the class has a host process to itself. */
export function isIsolated(config: ClassConfig | undefined): boolean {
  return config?.isolation === 'process'
}

/** The longest that a turn of any of these may take, milliseconds; 0 when there are none. */
export function longestTurnMs(classes: Iterable<ClassConfig>): number {
  let longestMs = 0
  for (const { requestTimeoutMs } of classes) longestMs = Math.max(longestMs, requestTimeoutMs)
  return longestMs
}
