import { readdirSync, readFileSync } from 'node:fs'

/** `_SC_CLK_TCK` and the size of a page, as on all of Linux that Node runs on by default. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4_096

export interface GroupUsage {
  /** CPU seconds since the group was begun, those of its ended children included. */
  cpuSeconds: number
  memoryBytes: number
}

/**
 * What process groups use, from `/proc/<pid>/stat` (proc(5)). Empty where there is no such thing:
 * then a job counts for what it asked for.
 */
export function groupUsages(groups: ReadonlySet<number>): Map<number, GroupUsage> {
  const usages = new Map<number, GroupUsage>()
  for (const pid of processIds()) {
    const fields = statOf(pid)
    const group = Number(fields[2])
    if (!groups.has(group)) continue
    const usage = usages.get(group) ?? { cpuSeconds: 0, memoryBytes: 0 }
    // utime, stime, and those of the children that were waited for: fields 14 to 17 of proc(5).
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    usage.cpuSeconds += ticks / TICKS_PER_SECOND
    usage.memoryBytes += Number(fields[21]) * PAGE_BYTES
    usages.set(group, usage)
  }
  return usages
}

function processIds(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** The fields after the name, which may itself have spaces and brackets: the first is the state. */
function statOf(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}
