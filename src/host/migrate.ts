import { AriesError, toAriesError } from '../errors.ts'
import type { SectionState, State } from '../worker/state.ts'
import type { WorkerClass } from '../worker/worker.ts'
import { isPromise } from './turn.ts'

/** The version of a class that says none. */
const VERSION_DEFAULT = 1

export function versionOf(workerClass: WorkerClass): number {
  return workerClass.version ?? VERSION_DEFAULT
}

/** Whether a state of that version must be migrated before the class can work on it. */
export function isOutdated(version: number, workerClass: WorkerClass): boolean {
  return version > 0 && version < versionOf(workerClass)
}

/** Throws `ARIES_E_CLASS_OLDER` when a newer version of the class wrote the state. */
export function checkClassVersion(name: string, version: number, workerClass: WorkerClass): void {
  const own = versionOf(workerClass)
  if (version <= own) return
  throw new AriesError(
    'ARIES_E_CLASS_OLDER',
    `${name}: its state is of version ${version} of its class; the class here has version ${own}`,
  )
}

/**
 * Has the class bring a state of the older version `from` to its own, within a turn of `state`.
 * Throws, or rejects with, `ARIES_E_MIGRATE_FAILED`: the turn must then be undone.
 */
export function migrate(
  state: SectionState,
  from: number,
  by: { readonly name: string; readonly workerClass: WorkerClass },
): void | Promise<void> {
  const { workerClass } = by
  const failed = (thrown: unknown): never => {
    throw new AriesError(
      'ARIES_E_MIGRATE_FAILED',
      `${by.name}: migrating its state from version ${from} to ${versionOf(workerClass)} of its class failed: ${toAriesError(thrown).message}`,
      { cause: thrown },
    )
  }
  try {
    if (!workerClass.migrate) throw new Error('the class has no `static migrate(state, from)`')
    const migrating = workerClass.migrate(state as State<Record<string, unknown>>, from)
    return isPromise(migrating) ? migrating.then(() => undefined, failed) : undefined
  } catch (thrown) {
    return failed(thrown)
  }
}
