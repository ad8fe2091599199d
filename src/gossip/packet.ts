import { isMalformed, Reader, Writer } from './bytes.ts'
import { type Claim, VERSION_MAX } from './claim.ts'
import { type LoadRow, readRow, whole, writeRow } from './load-row.ts'
import type { Place } from './member-table.ts'
import {
  type Capacity,
  CLASSES_TOLD_MAX,
  type ClassLoad,
  type LoadVector,
  type MemberMeta,
  type MemberState,
} from './types.ts'

/** The newest load of a member, on its way. Ages travel, never timestamps. */
export interface LoadNews {
  readonly id: string
  readonly boot: number
  /** Counts the loads that the member told within its boot. */
  readonly seq: number
  readonly ageMs: number
  /** Windows in which it still goes first. */
  readonly urgency: number
  readonly load: LoadVector
}

export interface Probe {
  /** `ping`: answer me. `ask`: ping `target` in my stead. */
  readonly type: 'ping' | 'ask'
  readonly seq: number
  readonly target: string
}

export interface Answer {
  readonly type: 'ack' | 'nack'
  readonly seq: number
}

export interface Sync {
  /** `ask`: send me what you have otherwise. `answer`: now you, if you still have. */
  readonly type: 'ask' | 'answer'
  /** `digestOf` the table of the sender. */
  readonly digest: readonly number[]
}

export interface PacketHead {
  /** One at most: a datagram never makes a member send more than one. */
  readonly probe?: Probe | undefined
  readonly answer?: Answer | undefined
  readonly sync?: Sync | undefined
}

export interface Packet extends PacketHead {
  readonly claims: readonly Claim[]
  readonly loads: readonly LoadNews[]
  /** Of the map that the sender names. */
  readonly rows?: readonly LoadRow[]
}

const VERSION = 4
/** Version and flags. */
export const HEAD_BYTES_MIN = 2
export const HOST_PORTS_MAX = 64
const ACCUSERS_MAX = 16
const AGE_MS_MAX = 2 ** 32
const URGENCY_MAX = 64
const STATES: readonly MemberState[] = ['alive', 'suspect', 'unreachable', 'left']
/** Beside the state: the claim says where the member is. */
const PLACED = 128
const FLAG = { ping: 1, ask: 2, ack: 4, nack: 8, syncAsk: 16, syncAnswer: 32 }
const PROBES = FLAG.ping | FLAG.ask
const ANSWERS = FLAG.ack | FLAG.nack
const SYNCS = FLAG.syncAsk | FLAG.syncAnswer
const ITEM = { padding: 0, claim: 1, load: 2, rows: 3 }
/** Rows in one section, whose count is one byte. */
const ROWS_MAX = 255

/** Fills one packet after the other up to a budget of bytes. */
export class PacketWriter {
  readonly #writer: Writer

  constructor(bytesMax: number) {
    this.#writer = new Writer(bytesMax)
  }

  begin(head: PacketHead, bytesMax: number): void {
    const writer = this.#writer
    writer.begin(bytesMax)
    writer.u8(VERSION)
    writer.u8(flags(head))
    if (head.probe) {
      writer.u32(head.probe.seq)
      if (head.probe.type === 'ask') writer.id(head.probe.target)
    }
    if (head.answer) writer.u32(head.answer.seq)
    if (head.sync) {
      writer.u8(head.sync.digest.length)
      for (const sum of head.sync.digest) writer.u32(sum)
    }
  }

  /** False when it does not fit any more. */
  claim(claim: Claim): boolean {
    return this.#writer.fits(claim, writeClaim)
  }

  /** False when it does not fit any more. */
  load(news: LoadNews): boolean {
    return this.#writer.fits(news, writeLoad)
  }

  /** Rows as far as they fit, the rest is left out; returns how many fitted. */
  rows(rows: readonly LoadRow[]): number {
    const writer = this.#writer
    let count = 0
    if (rows.length === 0 || !writer.fits(0, beginRows)) return 0
    const countAt = writer.at - 1
    while (count < rows.length && count < ROWS_MAX && writer.fits(rows[count]!, writeRow)) count++
    writer.setU8(countAt, count)
    return count
  }

  /** The packet, filled up to `bytesMin` if it is shorter. */
  finish(bytesMin = 0): Buffer {
    while (this.#writer.at < bytesMin) this.#writer.u8(ITEM.padding)
    return this.#writer.bytes()
  }
}

/** The packet in `bytes`, or undefined when they are none: nothing of it is then used. */
export function decodePacket(bytes: Buffer, self: string): Packet | undefined {
  try {
    return readPacket(new Reader(bytes), self)
  } catch (thrown) {
    if (isMalformed(thrown)) return undefined
    throw thrown
  }
}

function flags(head: PacketHead): number {
  const probe = head.probe ? FLAG[head.probe.type] : 0
  const answer = head.answer ? FLAG[head.answer.type] : 0
  const sync = head.sync?.type === 'ask' ? FLAG.syncAsk : FLAG.syncAnswer
  return probe | answer | (head.sync ? sync : 0)
}

function readPacket(reader: Reader, self: string): Packet {
  reader.ensure(reader.u8() === VERSION)
  const bits = reader.atMost(reader.u8(), 63)
  reader.ensure((bits & PROBES) !== PROBES)
  reader.ensure((bits & ANSWERS) !== ANSWERS)
  reader.ensure((bits & SYNCS) !== SYNCS)
  const probe = readProbe(reader, bits, self)
  const answer = readAnswer(reader, bits)
  const sync = readSync(reader, bits)
  const claims: Claim[] = []
  const loads: LoadNews[] = []
  const rows: LoadRow[] = []
  while (reader.left > 0) {
    const item = reader.u8()
    if (item === ITEM.padding) continue
    if (item === ITEM.claim) claims.push(readClaim(reader))
    else if (item === ITEM.load) loads.push(readLoad(reader))
    else {
      reader.ensure(item === ITEM.rows)
      for (let left = reader.u8(); left > 0; left--) rows.push(readRow(reader))
    }
  }
  return { probe, answer, sync, claims, loads, rows }
}

function readProbe(reader: Reader, bits: number, self: string): Probe | undefined {
  if ((bits & FLAG.ping) !== 0) return { type: 'ping', seq: reader.u32(), target: self }
  if ((bits & FLAG.ask) !== 0) return { type: 'ask', seq: reader.u32(), target: reader.id() }
  return undefined
}

function readAnswer(reader: Reader, bits: number): Answer | undefined {
  if ((bits & ANSWERS) === 0) return undefined
  return { type: (bits & FLAG.ack) !== 0 ? 'ack' : 'nack', seq: reader.u32() }
}

function readSync(reader: Reader, bits: number): Sync | undefined {
  if ((bits & SYNCS) === 0) return undefined
  const parts = reader.u8()
  reader.ensure(parts > 0)
  const digest: number[] = []
  for (let left = parts; left > 0; left--) digest.push(reader.u32())
  return { type: (bits & FLAG.syncAsk) !== 0 ? 'ask' : 'answer', digest }
}

function beginRows(writer: Writer): void {
  writer.u8(ITEM.rows)
  writer.u8(0)
}

function writeClaim(writer: Writer, claim: Claim): void {
  writer.u8(ITEM.claim)
  writer.id(claim.id)
  writer.u8(STATES.indexOf(claim.state) | (claim.place ? PLACED : 0))
  writer.u48(claim.boot)
  writer.varint(claim.version)
  writeMeta(writer, claim.meta)
  const accusers = Math.min(claim.accusers.length, ACCUSERS_MAX)
  writer.u8(accusers)
  for (let i = 0; i < accusers; i++) writer.id(claim.accusers[i]!)
  if (claim.place) writePlace(writer, claim.place)
}

function writePlace(writer: Writer, { host, gossipPort, dataPort, adminPort }: Place): void {
  writer.name(host)
  writer.u16(gossipPort)
  writer.u16(dataPort)
  writer.u16(adminPort)
}

function readPlace(reader: Reader, id: string): Place {
  return {
    id,
    role: 'node',
    host: reader.address(),
    gossipPort: readPort(reader),
    dataPort: readPort(reader),
    adminPort: readPort(reader),
  }
}

function readPort(reader: Reader): number {
  const port = reader.u16()
  reader.ensure(port > 0)
  return port
}

function readClaim(reader: Reader): Claim {
  const id = reader.id()
  const bits = reader.u8()
  const state = STATES[reader.atMost(bits & ~PLACED, STATES.length - 1)]!
  const boot = reader.u48()
  reader.ensure(boot > 0)
  const version = reader.atMost(reader.varint(), VERSION_MAX)
  const meta = readMeta(reader)
  const accusers: string[] = []
  for (let left = reader.atMost(reader.u8(), ACCUSERS_MAX); left > 0; left--) {
    accusers.push(reader.id())
  }
  const claim = { id, state, boot, version, meta, accusers }
  return (bits & PLACED) === 0 ? claim : { ...claim, place: readPlace(reader, id) }
}

function writeMeta(writer: Writer, meta: MemberMeta): void {
  const { capacity } = meta
  writer.u8((meta.cordoned ? 1 : 0) | (meta.draining ? 2 : 0) | (capacity ? 4 : 0))
  writer.varint(meta.incarnation)
  writer.u16(meta.poolPort)
  writer.u8(meta.hostPorts.length)
  for (const port of meta.hostPorts) writer.u16(port)
  if (!capacity) return
  writer.varint(whole(capacity.cpu * CPU_SCALE))
  writer.varint(whole(capacity.memoryBytes))
  writer.varint(whole(capacity.requests))
  writer.varint(whole(capacity.connections))
}

function readMeta(reader: Reader): MemberMeta {
  const bits = reader.atMost(reader.u8(), 7)
  const incarnation = reader.varint()
  const poolPort = reader.u16()
  const hostPorts: number[] = []
  for (let left = reader.atMost(reader.u8(), HOST_PORTS_MAX); left > 0; left--) {
    hostPorts.push(reader.u16())
  }
  const cordoned = (bits & 1) !== 0
  const meta = { incarnation, poolPort, hostPorts, cordoned, draining: (bits & 2) !== 0 }
  return (bits & 4) === 0 ? meta : { ...meta, capacity: readCapacity(reader) }
}

function readCapacity(reader: Reader): Capacity {
  return {
    cpu: reader.varint() / CPU_SCALE,
    memoryBytes: reader.varint(),
    requests: reader.varint(),
    connections: reader.varint(),
  }
}

/** Cores travel in ten-thousandths, lag in tenths of a millisecond. */
const CPU_SCALE = 10_000
/** A worker uses little of a core: millionths. */
const CLASS_CPU_SCALE = 1_000_000
const LAG_SCALE = 10

function writeLoad(writer: Writer, news: LoadNews): void {
  const { load } = news
  writer.u8(ITEM.load)
  writer.id(news.id)
  writer.u48(news.boot)
  writer.varint(whole(news.seq))
  // Down, never up: an age must not grow by being passed around.
  writer.varint(Math.min(whole(Math.floor(news.ageMs)), AGE_MS_MAX))
  writer.u8(Math.min(whole(news.urgency), URGENCY_MAX))
  writer.varint(whole(load.cpu * CPU_SCALE))
  writer.varint(whole(load.cpuCapacity * CPU_SCALE))
  writer.varint(whole(load.loop * CPU_SCALE))
  writer.varint(whole(load.memoryBytes))
  writer.varint(whole(load.memoryBytesMax))
  writer.varint(whole(load.requests))
  writer.varint(whole(load.requestsMax))
  writer.varint(whole(load.connections))
  writer.varint(whole(load.connectionsMax))
  writer.varint(whole(load.ioBytesPerSecond))
  writer.varint(whole(load.workers))
  writeClasses(writer, load.classes)
  writer.varint(whole(load.lagMs * LAG_SCALE))
}

function readLoad(reader: Reader): LoadNews {
  const id = reader.id()
  const boot = reader.u48()
  const seq = reader.varint()
  const ageMs = reader.atMost(reader.varint(), AGE_MS_MAX)
  const urgency = reader.atMost(reader.u8(), URGENCY_MAX)
  const load: LoadVector = {
    cpu: reader.varint() / CPU_SCALE,
    cpuCapacity: reader.varint() / CPU_SCALE,
    loop: reader.varint() / CPU_SCALE,
    memoryBytes: reader.varint(),
    memoryBytesMax: reader.varint(),
    requests: reader.varint(),
    requestsMax: reader.varint(),
    connections: reader.varint(),
    connectionsMax: reader.varint(),
    ioBytesPerSecond: reader.varint(),
    workers: reader.varint(),
    classes: readClasses(reader),
    lagMs: reader.varint() / LAG_SCALE,
  }
  return { id, boot, seq, ageMs, urgency, load }
}

function writeClasses(writer: Writer, classes: readonly ClassLoad[]): void {
  const count = Math.min(classes.length, CLASSES_TOLD_MAX)
  writer.u8(count)
  for (let i = 0; i < count; i++) {
    const { name, workers, cpu, stateBytes } = classes[i]!
    writer.name(name)
    writer.varint(whole(workers))
    writer.varint(whole(cpu * CLASS_CPU_SCALE))
    writer.varint(whole(stateBytes))
  }
}

function readClasses(reader: Reader): ClassLoad[] {
  const classes: ClassLoad[] = []
  for (let left = reader.atMost(reader.u8(), CLASSES_TOLD_MAX); left > 0; left--) {
    classes.push({
      name: reader.name(),
      workers: reader.varint(),
      cpu: reader.varint() / CLASS_CPU_SCALE,
      stateBytes: reader.varint(),
    })
  }
  return classes
}
