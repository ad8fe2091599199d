import type { Reader, Writer } from './bytes.ts'
import type { Capacity, LoadVector } from './types.ts'

/**
 * The load of a member as others pass it on: 16 to 20 bytes, so that a window holds 70 of them. What
 * a thousand members know of each other is as old as these rows are long. So the member is its place
 * in the map, its life the low bits of its boot, and what is bounded a part of the capacity, which
 * the member's claim tells. Classes are told by the member itself only.
 */
export interface LoadRow {
  /** Place of the member in the map that the sender holds: nodes, then fronts. */
  readonly index: number
  /** `boot` modulo 2^16. */
  readonly boot: number
  readonly seq: number
  readonly ageMs: number
  readonly figures: Figures
}

/** Parts of the capacity where there is one. */
interface Figures {
  readonly cpu: number
  readonly memory: number
  readonly loop: number
  readonly requests: number
  readonly connections: number
  readonly ioBytesPerSecond: number
  readonly workers: number
  readonly lagMs: number
}

const ROW_BOOT = 2 ** 16
/** Parts travel in two-hundredths, up to 1.27. */
const PART_SCALE = 200
/** Steps of a doubling: 9 % each, in one byte up to 4 billion. */
const LOG_STEPS = 8
const LAG_SCALE = 10

/** What a row tells of a boot. */
export function rowBoot(boot: number): number {
  return boot - Math.floor(boot / ROW_BOOT) * ROW_BOOT
}

export function figuresOf(load: LoadVector, capacity: Capacity): Figures {
  const { loop, requests, connections, ioBytesPerSecond, workers, lagMs } = load
  const cpu = part(load.cpu, capacity.cpu)
  const memory = part(load.memoryBytes, capacity.memoryBytes)
  return { cpu, memory, loop, requests, connections, ioBytesPerSecond, workers, lagMs }
}

/** `last`: what was known of it before, for what a row does not tell. */
export function loadOf(
  figures: Figures,
  capacity: Capacity,
  last: LoadVector | undefined,
): LoadVector {
  return {
    cpu: figures.cpu * capacity.cpu,
    cpuCapacity: capacity.cpu,
    loop: figures.loop,
    memoryBytes: figures.memory * capacity.memoryBytes,
    memoryBytesMax: capacity.memoryBytes,
    requests: figures.requests,
    requestsMax: capacity.requests,
    connections: figures.connections,
    connectionsMax: capacity.connections,
    ioBytesPerSecond: figures.ioBytesPerSecond,
    workers: figures.workers,
    lagMs: figures.lagMs,
    classes: last?.classes ?? [],
  }
}

export function writeRow(writer: Writer, row: LoadRow): void {
  const { figures } = row
  writer.u16(row.index)
  writer.u16(row.boot)
  writer.varint(whole(row.seq))
  // Down, never up: an age must not grow by being passed around.
  writer.varint(whole(Math.floor(row.ageMs)))
  writer.u8(Math.min(255, whole(figures.cpu * PART_SCALE)))
  writer.u8(Math.min(255, whole(figures.memory * PART_SCALE)))
  writer.u8(Math.min(255, whole(figures.loop * PART_SCALE)))
  writer.varint(whole(figures.requests))
  writer.varint(whole(figures.connections))
  writer.u8(toLog(figures.ioBytesPerSecond))
  writer.varint(whole(figures.workers))
  writer.u8(toLog(figures.lagMs * LAG_SCALE))
}

export function readRow(reader: Reader): LoadRow {
  const index = reader.u16()
  const boot = reader.u16()
  const seq = reader.varint()
  const ageMs = reader.varint()
  const figures = {
    cpu: reader.u8() / PART_SCALE,
    memory: reader.u8() / PART_SCALE,
    loop: reader.u8() / PART_SCALE,
    requests: reader.varint(),
    connections: reader.varint(),
    ioBytesPerSecond: fromLog(reader.u8()),
    workers: reader.varint(),
    lagMs: fromLog(reader.u8()) / LAG_SCALE,
  }
  return { index, boot, seq, ageMs, figures }
}

/** A figure as the wire takes it: whole, not negative, finite. */
export function whole(value: number): number {
  if (!(value > 0)) return 0
  return Math.min(Math.round(value), Number.MAX_SAFE_INTEGER)
}

function part(used: number, capacity: number): number {
  return capacity > 0 ? used / capacity : 0
}

function toLog(value: number): number {
  return value < 1 ? 0 : Math.min(255, whole(1 + LOG_STEPS * Math.log2(value)))
}

function fromLog(step: number): number {
  return step === 0 ? 0 : 2 ** ((step - 1) / LOG_STEPS)
}
