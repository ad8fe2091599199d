import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../world.ts'
import { Cgroup } from './cgroup.ts'

const SECTOR_BYTES = 512
/** Whole disks, as the kernel names them; the rest are their partitions, or made of them. */
const DISK = /^(?:sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/

/** What the share of the machine that this process runs in has and uses, whoever uses it. */
export interface MachineFigures {
  readonly cores: number
  /** Cores in use; undefined where the system does not tell. */
  readonly cpu: number | undefined
  /**
   * Part of the time in which somebody waited for a core. Undefined under a quota, which the system
   * does not count as waiting everywhere, and where the system does not tell.
   */
  readonly cpuPressure: number | undefined
  readonly memoryBytesMax: number
  /** Undefined where the system does not tell. */
  readonly memoryBytes: number | undefined
  /** Network (without loopback) and disk together. */
  readonly ioBytesPerSecond: number
}

interface Counters {
  readonly atMs: number
  readonly usedMs: number | undefined
  readonly waitedMs: number | undefined
  readonly networkBytes: number
  readonly diskBytes: number
}

/** The memory that this process may use: the cgroup's limit where there is one, in bytes. */
export function memoryBytesMax(): number {
  return Math.min(totalmem(), new Cgroup().memory?.bytesMax ?? Number.POSITIVE_INFINITY)
}

/**
 * Reads the figures of the machine: those of the cgroup where it has a limit, which are of all
 * processes in it; else those of the whole machine, on the cores that this process may run on.
 */
export class Machine {
  readonly #clock: Clock
  readonly #root: string
  readonly #cgroup: Cgroup
  /** Undefined: all. */
  readonly #cores: ReadonlySet<number> | undefined
  #before: Counters | undefined

  /** `root`: of the file system. */
  constructor(components: { clock: Clock }, init: { root: string } = { root: '/' }) {
    this.#clock = components.clock
    this.#root = init.root
    this.#cgroup = new Cgroup(init.root)
    this.#cores = allowedCores(this.#text('proc/self/status') ?? '')
  }

  /** Rates are means since the last time. */
  sample(): MachineFigures {
    const quota = this.#cgroup.cpu
    const machine = cpuOf(this.#text('proc/stat') ?? '', this.#cores)
    const cores = machine?.cores ?? availableParallelism()
    const memory = this.#cgroup.memory
    const { total, available } = meminfo(this.#text('proc/meminfo') ?? '')
    const isContained = quota !== undefined || memory !== undefined
    const now: Counters = {
      atMs: this.#clock.nowMs(),
      usedMs: quota?.usedMs ?? machine?.usedMs,
      waitedMs: quota ? undefined : waitedMs(this.#text('proc/pressure/cpu') ?? ''),
      networkBytes: networkBytes(this.#text('proc/self/net/dev') ?? ''),
      diskBytes:
        (isContained ? this.#cgroup.diskBytes : undefined) ??
        diskBytes(this.#text('proc/diskstats') ?? ''),
    }
    const before = this.#before
    this.#before = now
    const elapsedMs = before ? Math.max(1, now.atMs - before.atMs) : Number.POSITIVE_INFINITY
    const grown = (from: number | undefined, to: number): number =>
      Math.max(0, to - (from ?? to)) / elapsedMs
    return {
      cores: Math.min(cores, quota?.cores ?? cores),
      cpu: now.usedMs === undefined ? undefined : grown(before?.usedMs, now.usedMs),
      cpuPressure:
        now.waitedMs === undefined ? undefined : Math.min(1, grown(before?.waitedMs, now.waitedMs)),
      memoryBytesMax: Math.min(totalmem(), memory?.bytesMax ?? Number.POSITIVE_INFINITY),
      memoryBytes: memory?.bytes ?? (total > 0 ? total - available : undefined),
      ioBytesPerSecond:
        1_000 *
        (grown(before?.networkBytes, now.networkBytes) + grown(before?.diskBytes, now.diskBytes)),
    }
  }

  #text(file: string): string | undefined {
    try {
      return readFileSync(join(this.#root, file), 'utf8')
    } catch {
      return undefined
    }
  }
}

/** The cores that a process may run on, from its /proc/…/status. */
function allowedCores(status: string): ReadonlySet<number> | undefined {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? []
  if (list === undefined) return undefined
  const cores = new Set<number>()
  for (const range of list.split(',')) {
    const [first, last = first] = range.split('-').map(Number)
    for (let core = first!; core <= last!; core++) cores.add(core)
  }
  return cores
}

/**
 * Cores among `allowed`, and milliseconds of CPU used on them since boot by anybody, from
 * /proc/stat (proc_stat(5)). What a hypervisor steals is used, too: we cannot have it.
 */
function cpuOf(
  stat: string,
  allowed: ReadonlySet<number> | undefined,
): { cores: number; usedMs: number } | undefined {
  let cores = 0
  let usedTicks = 0
  for (const [, core, figures] of stat.matchAll(/^cpu(\d+) (.*)$/gm)) {
    if (allowed && !allowed.has(Number(core))) continue
    const [user, nice, system, , , irq, softirq, steal = 0] = figures!.split(' ').map(Number)
    usedTicks += user! + nice! + system! + irq! + softirq! + steal
    cores++
  }
  // A tick is a hundredth of a second in everything that Linux tells programs.
  return cores === 0 ? undefined : { cores, usedMs: usedTicks * 10 }
}

/** From /proc/pressure/cpu (Linux, Documentation/accounting/psi.rst). */
function waitedMs(pressure: string): number | undefined {
  const [, total] = /^some .* total=(\d+)$/m.exec(pressure) ?? []
  return total === undefined ? undefined : Number(total) / 1e3
}

function meminfo(text: string): { total: number; available: number } {
  const bytes = (name: string): number =>
    1_024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0)
  return { total: bytes('MemTotal'), available: bytes('MemAvailable') }
}

/** Bytes received and sent by all interfaces but loopback, from /proc/net/dev. */
function networkBytes(dev: string): number {
  let sum = 0
  for (const [, name, figures] of dev.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (name === 'lo') continue
    const fields = figures!.trim().split(/\s+/)
    sum += Number(fields[0]) + Number(fields[8])
  }
  return sum
}

/** Bytes read from and written to whole disks, from /proc/diskstats (iostats.rst). */
function diskBytes(diskstats: string): number {
  let sum = 0
  for (const line of diskstats.split('\n')) {
    const [, , name, , , read, , , , written] = line.trim().split(/\s+/)
    if (name !== undefined && DISK.test(name))
      sum += (Number(read) + Number(written)) * SECTOR_BYTES
  }
  return sum
}
