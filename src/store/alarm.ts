/**
 * The one alarm of a worker is a section that its author does not see. The stores find due alarms
 * by an index over these sections alone, so its bytes sort by time.
 */
export const ALARM_SECTION = '\u0001alarm'

const BYTES = 17

export interface Alarm {
  /** When to ring next: `atMs`, or later after attempts that failed. Wall clock, milliseconds. */
  readonly dueMs: number
  /** When it was set to ring. */
  readonly atMs: number
  /** Attempts that failed. */
  readonly attempts: number
}

/** `dueMs` first, big-endian: both stores compare bytes. */
export function encodeAlarm({ dueMs, atMs, attempts }: Alarm): Uint8Array {
  const value = new Uint8Array(BYTES)
  const view = new DataView(value.buffer)
  view.setBigUint64(0, BigInt(dueMs))
  view.setBigUint64(8, BigInt(atMs))
  view.setUint8(16, attempts)
  return value
}

export function decodeAlarm(value: Uint8Array): Alarm {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return {
    dueMs: Number(view.getBigUint64(0)),
    atMs: Number(view.getBigUint64(8)),
    attempts: view.getUint8(16),
  }
}

/** The least value whose alarm is due at `dueMs` or later. */
export function alarmBound(dueMs: number): Uint8Array {
  return encodeAlarm({ dueMs, atMs: 0, attempts: 0 }).subarray(0, 8)
}
