import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { MoveReport } from '../rpc.ts'
import { withClient } from './client.ts'
import { bytes, count, milliseconds } from './format.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'

/** `aries move <class>/<key> <node>` */
export async function move(id: WorkerId, to: string, options: ReadOptions): Promise<void> {
  const report = await withClient(options, (client) =>
    client.post('POST /api/workers/{class}/{key}/move', { ...id }, { body: { to } }),
  )
  if (options.json) printJson(report)
  else print(moveText(report))
}

export function moveText(report: MoveReport): string {
  const { from, to, fromEpoch, toEpoch } = report
  const phases = report.phases.map(({ name, ms }) => `${name} ${milliseconds(ms)}`)
  const carried = `${count(report.sessions, 'session')}, ${count(report.carried, 'waiting request')}`
  return [
    `${formatWorkerId(report)} moved from ${from} to ${to}`,
    `  epoch    ${fromEpoch} to ${toEpoch}`,
    `  carried  ${bytes(report.bytes)}, ${carried}`,
    `  phases   ${phases.join(', ')}`,
    `  stall    ${milliseconds(report.stallMs)}, of it ${milliseconds(report.commitMs)} for the store`,
  ].join('\n')
}
