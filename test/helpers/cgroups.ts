/** Cgroups for tests, version 1 or 2: limits on the CPU and memory of what runs in them. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const V1 = {
  cpu: '/sys/fs/cgroup/cpu',
  cpuacct: '/sys/fs/cgroup/cpuacct',
  memory: '/sys/fs/cgroup/memory',
}
const V2 = '/sys/fs/cgroup'
const PERIOD_US = 100_000

const isV2 = existsSync(join(V2, 'cgroup.controllers'))
const USAGE = isV2 ? 'memory.current' : 'memory.usage_in_bytes'
const roots = isV2 ? [V2] : Object.values(V1)

export class Cgroup {
  readonly #name: string

  constructor(name: string) {
    this.#name = `aries-test-${process.pid}-${name}`
    if (isV2) writeFileSync(join(V2, 'cgroup.subtree_control'), '+cpu +memory')
    for (const folder of this.#folders) mkdirSync(folder)
  }

  get #folders(): string[] {
    return roots.map((root) => join(root, this.#name))
  }

  /** What to put before a command so that it runs in the group. */
  get on(): string[] {
    const enter = this.#folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`)
    return ['sh', '-c', `${enter.join(' && ')} && exec "$@"`, 'sh']
  }

  /** So much and, as far as a weight can see to it, no less, whatever else the machine does. */
  limitCores(cores: number): void {
    const us = Math.round(cores * PERIOD_US)
    if (isV2) this.#write('cpu', 'cpu.weight', '10000')
    else this.#write('cpu', 'cpu.shares', '100000')
    if (isV2) this.#write('cpu', 'cpu.max', `${us} ${PERIOD_US}`)
    else this.#write('cpu', 'cpu.cfs_quota_us', String(us))
  }

  limitMemory(bytes: number): void {
    this.#write('memory', isV2 ? 'memory.max' : 'memory.limit_in_bytes', String(bytes))
  }

  /** Of what is in use. */
  get memoryFile(): string {
    return join(this.#folder('memory'), USAGE)
  }

  /** Without what the kernel only keeps for later. */
  get memoryBytes(): number {
    const used = Number(this.#read(USAGE))
    const [, file] = /^(?:total_)?inactive_file (\d+)$/m.exec(this.#read('memory.stat')) ?? []
    return used - Number(file ?? 0)
  }

  /** Processes that the kernel killed because memory ran out. */
  get killed(): number {
    const events = this.#read(isV2 ? 'memory.events' : 'memory.oom_control')
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0)
  }

  /** Nothing may run in it any more. */
  remove(): void {
    for (const folder of this.#folders) rmdirSync(folder)
  }

  #folder(controller: keyof typeof V1): string {
    return join(isV2 ? V2 : V1[controller], this.#name)
  }

  #write(controller: keyof typeof V1, file: string, text: string): void {
    writeFileSync(join(this.#folder(controller), file), text)
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder('memory'), file), 'utf8')
  }
}

/** Whether this user may make cgroups here. */
export function mayMakeCgroups(): boolean {
  if (process.platform !== 'linux') return false
  try {
    const group = new Cgroup('probe')
    try {
      group.limitCores(1)
      group.limitMemory(2 ** 30)
      return true
    } finally {
      group.remove()
    }
  } catch {
    return false
  }
}
