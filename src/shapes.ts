/** What others may say: a message by its type, and what each of its fields must be. */
import { isWorkerName } from './identity.ts'

export type Check = (value: unknown) => boolean
export type Shapes = Readonly<Record<string, Readonly<Record<string, Check>>>>

export const text: Check = (value) => typeof value === 'string'
export const figure: Check = (value) => Number.isFinite(value)
/** A whole number from 0. */
export const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
export const bytes: Check = (value) => value instanceof Uint8Array
/** `class/key`, see `formatWorkerId`. */
export const workerName: Check = (value) => typeof value === 'string' && isWorkerName(value)

export const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value))

export const optional = (check: Check): Check =>
  either((value) => value === undefined || value === null, check)

export const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)

export const record =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => check((value as Record<string, unknown>)[name]))

export const owner: Check = record({ node: text, host: text, port: count, epoch: count })

/** Throws when `message` is none of `shapes`; what has fields besides is one all the same. */
export function checkShape(message: { readonly type: string }, shapes: Shapes): void {
  const { type } = message
  const fields = Object.hasOwn(shapes, type) ? shapes[type] : undefined
  if (fields && record(fields)(message)) return
  throw new Error(`not a message: ${type.slice(0, 40)}`)
}
