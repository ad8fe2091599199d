/**
 * The cgroup that this process is in, version 1 or 2: what it may use and what it uses. A limit of
 * any group above counts as well, so each figure is that of the tightest group on the way up.
 *
 * Sources: Linux, Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/{memory,blkio-controller}.rst,
 * scheduler/sched-bwc.rst.
 */
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

/** Cores that may be used, and milliseconds of CPU that were. */
export interface CpuShare {
  readonly cores: number
  readonly usedMs: number
}

/** Bytes that may be used, and that are: without what the kernel only keeps for later. */
export interface MemoryShare {
  readonly bytesMax: number
  readonly bytes: number
}

/** A folder for each group from the process's own up to the root. */
type Groups = readonly string[]

interface Hierarchies {
  /** Version 2, or undefined. */
  readonly unified: Groups | undefined
  /** Version 1, by controller. */
  readonly v1: ReadonlyMap<string, Groups>
}

export class Cgroup {
  readonly #hierarchies: Hierarchies

  /** `root`: of the file system. */
  constructor(root = '/') {
    this.#hierarchies = hierarchiesOf(root)
  }

  /** Undefined where nothing limits the CPU. */
  get cpu(): CpuShare | undefined {
    const { unified = [], v1 } = this.#hierarchies
    const shares = [
      ...unified.map((group) => share(quota2(group), usedMs2(group))),
      ...(v1.get('cpu') ?? []).map((group, i) =>
        share(quota1(group), usedMs1(v1.get('cpuacct')?.[i])),
      ),
    ]
    return least(shares, ({ cores }) => cores)
  }

  /** Undefined where nothing limits memory. */
  get memory(): MemoryShare | undefined {
    const { unified = [], v1 } = this.#hierarchies
    const shares = [...unified.map(memory2), ...(v1.get('memory') ?? []).map(memory1)]
    return least(shares, ({ bytesMax, bytes }) => bytesMax - bytes)
  }

  /** Bytes read from and written to disks by this group since it was made; undefined: not counted. */
  get diskBytes(): number | undefined {
    const { unified, v1 } = this.#hierarchies
    const stat = unified?.[0] === undefined ? undefined : text(join(unified[0], 'io.stat'))
    if (stat !== undefined) return sumOf(stat.matchAll(/\b[rw]bytes=(\d+)/g))
    const group = v1.get('blkio')?.[0]
    const served = group && text(join(group, 'blkio.throttle.io_service_bytes_recursive'))
    return served === undefined ? undefined : sumOf(served.matchAll(/^Total (\d+)$/gm))
  }
}

function share(cores: number | undefined, usedMs: number | undefined): CpuShare | undefined {
  return cores === undefined || usedMs === undefined ? undefined : { cores, usedMs }
}

function quota2(group: string): number | undefined {
  const [, quota, period] = /^(\d+) (\d+)/.exec(text(join(group, 'cpu.max')) ?? '') ?? []
  return quota === undefined ? undefined : Number(quota) / Number(period)
}

function usedMs2(group: string): number | undefined {
  const [, usec] = /^usage_usec (\d+)$/m.exec(text(join(group, 'cpu.stat')) ?? '') ?? []
  return usec === undefined ? undefined : Number(usec) / 1e3
}

function quota1(group: string): number | undefined {
  const quota = number(join(group, 'cpu.cfs_quota_us'))
  const period = number(join(group, 'cpu.cfs_period_us'))
  return quota === undefined || period === undefined || quota <= 0 ? undefined : quota / period
}

function usedMs1(group: string | undefined): number | undefined {
  const ns = group === undefined ? undefined : number(join(group, 'cpuacct.usage'))
  return ns === undefined ? undefined : ns / 1e6
}

function memory2(group: string): MemoryShare | undefined {
  return memory(group, 'memory.max', 'memory.current', /^inactive_file (\d+)$/m)
}

function memory1(group: string): MemoryShare | undefined {
  const files = ['memory.limit_in_bytes', 'memory.usage_in_bytes'] as const
  return memory(group, ...files, /^total_inactive_file (\d+)$/m)
}

function memory(
  group: string,
  limit: string,
  usage: string,
  inactive: RegExp,
): MemoryShare | undefined {
  const bytesMax = number(join(group, limit))
  const used = number(join(group, usage))
  // Version 1 says "no limit" with a number that no machine has.
  if (bytesMax === undefined || used === undefined || bytesMax > 2 ** 60) return undefined
  const [, file] = inactive.exec(text(join(group, 'memory.stat')) ?? '') ?? []
  return { bytesMax, bytes: Math.max(0, used - Number(file ?? 0)) }
}

function hierarchiesOf(root: string): Hierarchies {
  const mounts = (text(join(root, 'proc/self/mountinfo')) ?? '').split('\n').map(mountOf)
  const v1 = new Map<string, Groups>()
  let unified: Groups | undefined
  for (const line of (text(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const [, id, controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? []
    if (path === undefined) continue
    const names = controllers!.split(',')
    const mount = mounts.find((each) =>
      id === '0' ? each?.type === 'cgroup2' : each?.options.includes(names[0]!),
    )
    if (!mount) continue
    const groups = groupsOf(join(root, mount.at), relative(mount.root, path))
    if (id === '0') unified = groups
    else for (const name of names) v1.set(name, groups)
  }
  return { unified, v1 }
}

interface Mount {
  readonly type: string
  /** Which group the mount point shows, and where. */
  readonly root: string
  readonly at: string
  readonly options: readonly string[]
}

/** A line of /proc/self/mountinfo that is about cgroups; see proc_pid_mountinfo(5). */
function mountOf(line: string): Mount | undefined {
  const [place = '', about = ''] = line.split(' - ')
  const [, , , root, at] = place.split(' ')
  const [type, , options = ''] = about.split(' ')
  if (root === undefined || at === undefined) return undefined
  if (type !== 'cgroup' && type !== 'cgroup2') return undefined
  return { type, root, at, options: options.split(',') }
}

/** A container sees its own group as the root of the mount, and the whole path in /proc. */
function relative(root: string, path: string): string {
  if (root === '/') return path
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) || '/' : '/'
}

function groupsOf(mount: string, path: string): Groups {
  const groups: string[] = []
  for (let at = path; ; at = posix.dirname(at)) {
    groups.push(join(mount, at))
    if (at === '/') return groups
  }
}

function least<T>(all: readonly (T | undefined)[], of: (one: T) => number): T | undefined {
  let found: T | undefined
  for (const one of all) {
    if (one !== undefined && (found === undefined || of(one) < of(found))) found = one
  }
  return found
}

function sumOf(matches: Iterable<RegExpMatchArray>): number {
  let sum = 0
  for (const [, figure] of matches) sum += Number(figure)
  return sum
}

/** A file that holds one figure; "max" is none. */
function number(file: string): number | undefined {
  const found = text(file)?.trim()
  const value = Number(found)
  return found === undefined || found === '' || !Number.isFinite(value) ? undefined : value
}

function text(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
