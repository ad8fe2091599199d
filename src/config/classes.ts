import type { KeyPath, Located, Problems } from './problems.ts'
import type { ClassConfig, ClassOptions } from './schema/classes.ts'
import type { ConfigFile, ModuleName } from './schema.ts'
import { suggest } from './suggest.ts'

/** Every class under `classes` must be the worker class of a route, its options must go together. */
export function checkClasses(
  data: Readonly<Record<string, unknown>> | null,
  known: ReadonlyMap<ModuleName, string>,
  document: Located,
  problems: Problems,
): void {
  const section = data?.['classes']
  if (typeof section !== 'object' || section === null || Array.isArray(section)) return
  for (const [name, options] of Object.entries(section)) {
    const path: KeyPath = ['classes', name]
    const { isolation, standby } = (options ?? {}) as Partial<ClassOptions>
    if (isolation === 'process' && standby) {
      const why = 'is for workers that share a host process: with `isolation: process` leave it out'
      problems.add(document, [...path, 'standby'], why)
    }
    if (known.has(name)) continue
    problems.add(document, path, `is not a worker class of a route; ${hint(name, known)}`, 'key')
  }
}

function hint(name: string, known: ReadonlyMap<ModuleName, string>): string {
  const meant = suggest(name, known.keys())
  if (meant) return `did you mean \`${meant}\`?`
  if (known.size === 0) return 'no route has a worker'
  return `there are ${Array.from(known.keys(), (each) => `\`${each}\``).join(', ')}`
}

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
