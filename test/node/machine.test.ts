import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { Machine, type MachineFigures, memoryBytesMax } from '../../src/node/machine.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import { realWorld } from '../../src/world.ts'

const GB = 1_073_741_824
const MEMINFO = `MemTotal: ${(8 * GB) / 1024} kB\nMemFree: 1 kB\nMemAvailable: ${(6 * GB) / 1024} kB\n`
/** Ticks of user, nice, system, idle, iowait, irq, softirq, steal. */
const stat = (cpu0: number, cpu1: number): string =>
  `cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 ${cpu0} 0 0 500 90 0 0 0 0 0\ncpu1 0 0 ${cpu1} 700 9 0 0 5 0 0\n`
const dev = (bytes: number): string =>
  `Inter-|   Receive\n face |bytes packets\n    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  eth0: ${bytes} 1 0 0 0 0 0 0 ${bytes} 1 0 0 0 0 0 0\n`
const disks = (sectors: number): string =>
  `   8 0 sda 1 2 ${sectors} 4 5 6 ${sectors} 8 0 0 0\n   8 1 sda1 1 2 ${sectors} 4 5 6 ${sectors} 8 0 0 0\n   7 0 loop0 1 2 777 4 5 6 777 8 0 0 0\n`

const psi = (us: number): string =>
  `some avg10=12.03 avg60=13.00 avg300=11.86 total=${us}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n`

type Files = Record<string, string>

/** What a machine with such files tells, a second after those of `first`, when they are as in `then`. */
function figuresOf(t: Test, files: Files, first: Files = {}, then: Files = {}): MachineFigures {
  const root = mkdtempSync(join(tmpdir(), 'aries-machine-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  const write = (changed: Files): void => {
    for (const [file, text] of Object.entries(changed)) {
      mkdirSync(dirname(join(root, file)), { recursive: true })
      writeFileSync(join(root, file), text)
    }
  }
  write({ ...files, ...first })
  const clock = new VirtualClock()
  const machine = new Machine({ clock }, { root })
  machine.sample()
  write(then)
  clock.runUntil(clock.nowMs() + 1_000)
  return machine.sample()
}

t.test('a whole machine: all that runs on it counts', async (t) => {
  const files = { 'proc/meminfo': MEMINFO }
  const first = {
    'proc/stat': stat(100, 100),
    'proc/self/net/dev': dev(1_000),
    'proc/diskstats': disks(10),
    'proc/pressure/cpu': psi(5_000_000),
  }
  const figures = figuresOf(t, files, first, {
    'proc/stat': stat(150, 125),
    'proc/self/net/dev': dev(3_000),
    'proc/diskstats': disks(12),
    'proc/pressure/cpu': psi(5_250_000),
  })
  t.strictSame(figures, {
    cores: 2,
    cpu: 0.75,
    cpuPressure: 0.25,
    memoryBytesMax: figures.memoryBytesMax,
    memoryBytes: 2 * GB,
    ioBytesPerSecond: 2 * 2_000 + 2 * 2 * 512,
  })
})

t.test('of the cores that it may not run on nothing counts', async (t) => {
  const status = 'Name:\tnode\nCpus_allowed_list:\t1\n'
  const files = { 'proc/meminfo': MEMINFO, 'proc/self/status': status }
  const figures = figuresOf(t, files, { 'proc/stat': stat(0, 0) }, { 'proc/stat': stat(100, 20) })
  t.match(figures, { cores: 1, cpu: 0.2 })
})

t.test('cgroup v2: the tightest limit on the way up, and what its group uses', async (t) => {
  const files = {
    'proc/meminfo': MEMINFO,
    'proc/stat': stat(0, 0),
    'proc/self/cgroup': '0::/web/n1\n',
    'proc/pressure/cpu': psi(5),
    'proc/self/mountinfo':
      '31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n',
    'sys/fs/cgroup/web/n1/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/web/n1/memory.max': `${2 * GB}\n`,
    'sys/fs/cgroup/web/n1/memory.current': `${GB}\n`,
    'sys/fs/cgroup/web/n1/memory.stat': `anon 5\ninactive_file ${GB / 4}\nactive_file 7\n`,
    'sys/fs/cgroup/web/cpu.max': '150000 100000\n',
    'sys/fs/cgroup/web/memory.max': 'max\n',
    'sys/fs/cgroup/web/memory.current': `${3 * GB}\n`,
  }
  const at = (usec: number, bytes: number): Files => ({
    'sys/fs/cgroup/web/cpu.stat': `usage_usec ${usec}\nuser_usec 1\n`,
    'sys/fs/cgroup/web/n1/io.stat': `8:0 rbytes=${bytes} wbytes=${bytes} rios=1 wios=1\n8:16 rbytes=0 wbytes=0 rios=0 wios=0\n`,
    'proc/diskstats': disks(bytes),
  })
  t.match(figuresOf(t, files, at(1_000_000, 0), at(2_200_000, 500)), {
    cores: 1.5,
    cpu: 1.2,
    cpuPressure: undefined,
    memoryBytesMax: 2 * GB,
    memoryBytes: 0.75 * GB,
    ioBytesPerSecond: 1_000,
  })
})

t.test('cgroup v1, in a container: its own group is the root of each mount', async (t) => {
  const mount = (name: string): string =>
    `40 31 0:30 /docker/abc /sys/fs/cgroup/${name} ro - cgroup cgroup rw,${name}\n`
  const files = {
    'proc/meminfo': MEMINFO,
    'proc/stat': stat(0, 0),
    'proc/self/cgroup': '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n3:blkio:/docker/abc\n',
    'proc/self/mountinfo': `${mount('cpu,cpuacct')}${mount('memory')}${mount('blkio')}`,
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': `${GB}\n`,
    'sys/fs/cgroup/memory/memory.usage_in_bytes': `${GB / 2}\n`,
    'sys/fs/cgroup/memory/memory.stat': `inactive_file 3\ntotal_inactive_file ${GB / 8}\n`,
  }
  const at = (ns: number, bytes: number): Files => ({
    'sys/fs/cgroup/cpu,cpuacct/cpuacct.usage': `${ns}\n`,
    'sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes_recursive': `8:0 Read 1\n8:0 Total 1\nTotal ${bytes}\n`,
  })
  t.match(figuresOf(t, files, at(7e9, 100), at(7.4e9, 350)), {
    cores: 0.5,
    cpu: 0.4,
    memoryBytesMax: GB,
    memoryBytes: 0.375 * GB,
    ioBytesPerSecond: 250,
  })
})

t.test('no limit, and files that say nothing or nonsense', async (t) => {
  const files = {
    'proc/meminfo': MEMINFO,
    'proc/stat': stat(0, 0),
    'proc/self/cgroup': 'nonsense\n1:cpu\n4:memory:/a\n0::/b\n',
    'proc/self/mountinfo': '\n1 2 3\n - cgroup\n4 5 6 / /m rw - cgroup cgroup rw,memory\n',
    'm/a/memory.limit_in_bytes': '9223372036854771712\n',
    'm/a/memory.usage_in_bytes': '5\n',
    'm/memory.limit_in_bytes': 'max\n',
  }
  t.match(figuresOf(t, files), { cores: 2, cpu: 0, memoryBytes: 2 * GB, ioBytesPerSecond: 0 })
  const empty = figuresOf(t, {})
  t.match(empty, { cpu: undefined, memoryBytes: undefined, ioBytesPerSecond: 0 })
  t.ok(empty.cores >= 1)
})

t.test('this machine tells of itself', { skip: process.platform !== 'linux' }, async (t) => {
  const machine = new Machine(realWorld)
  machine.sample()
  const untilMs = performance.now() + 100
  while (performance.now() < untilMs);
  const { cores, cpu, memoryBytes, memoryBytesMax: bytesMax } = machine.sample()
  t.ok(cores > 0 && cpu !== undefined && cpu > 0.3 && cpu < cores * 1.5, `${cpu} of ${cores}`)
  t.ok(memoryBytes !== undefined && memoryBytes > 10e6 && memoryBytes < bytesMax)
  t.equal(bytesMax, memoryBytesMax())
})
