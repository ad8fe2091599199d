import { writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'

/** Writes `rows` as JSON, and the machine that they come from. */
export function writeReport(file: string, rows: readonly unknown[]): void {
  const machine = {
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
  }
  writeFileSync(file, `${JSON.stringify({ machine, rows }, null, 2)}\n`)
}
