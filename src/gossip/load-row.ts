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

/** As they are on the wire: parts of the capacity, and steps of a logarithm, in whole numbers. */
export interface Figures {
  readonly cpu: number
  readonly memory: number
  readonly loop: number
  readonly requests: number
  readonly connections: number
  readonly io: number
  readonly workers: number
  readonly lag: number
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
  return {
    cpu: part(load.cpu, capacity.cpu),
    memory: part(load.memoryBytes, capacity.memoryBytes),
    loop: part(load.loop, 1),
    requests: whole(load.requests),
    connections: whole(load.connections),
    io: toLog(load.ioBytesPerSecond),
    workers: whole(load.workers),
    lag: toLog(load.lagMs * LAG_SCALE),
  }
}

/** `last`: what was known of it before, for what a row does not tell. */
export function loadOf(
  figures: Figures,
  capacity: Capacity,
  last: LoadVector | undefined,
): LoadVector {
  return {
    cpu: (figures.cpu / PART_SCALE) * capacity.cpu,
    cpuCapacity: capacity.cpu,
    loop: figures.loop / PART_SCALE,
    memoryBytes: (figures.memory / PART_SCALE) * capacity.memoryBytes,
    memoryBytesMax: capacity.memoryBytes,
    requests: figures.requests,
    requestsMax: capacity.requests,
    connections: figures.connections,
    connectionsMax: capacity.connections,
    ioBytesPerSecond: LOG[figures.io]!,
    workers: figures.workers,
    lagMs: LOG[figures.lag]! / LAG_SCALE,
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
  writer.u8(figures.cpu)
  writer.u8(figures.memory)
  writer.u8(figures.loop)
  writer.varint(figures.requests)
  writer.varint(figures.connections)
  writer.u8(figures.io)
  writer.varint(figures.workers)
  writer.u8(figures.lag)
}

export function readRow(reader: Reader): LoadRow {
  const index = reader.u16()
  const boot = reader.u16()
  const seq = reader.varint()
  const ageMs = reader.varint()
  const figures = {
    cpu: reader.u8(),
    memory: reader.u8(),
    loop: reader.u8(),
    requests: reader.varint(),
    connections: reader.varint(),
    io: reader.u8(),
    workers: reader.varint(),
    lag: reader.u8(),
  }
  return { index, boot, seq, ageMs, figures }
}

/** A figure as the wire takes it: whole, not negative, finite. */
export function whole(value: number): number {
  if (!(value > 0)) return 0
  return Math.min(Math.round(value), Number.MAX_SAFE_INTEGER)
}

function part(used: number, capacity: number): number {
  return capacity > 0 ? Math.min(255, whole((used / capacity) * PART_SCALE)) : 0
}

function toLog(value: number): number {
  return value < 1 ? 0 : Math.min(255, whole(1 + LOG_STEPS * Math.log2(value)))
}

/** What each step stands for. */
const LOG = Array.from({ length: 256 }, (_, step) =>
  step === 0 ? 0 : 2 ** ((step - 1) / LOG_STEPS),
)
