import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { CandidateCost, Decision } from '../placement/types.ts'
import type { WorkerDetail, WorkerTraffic } from '../rpc.ts'
import { withClient } from './client.ts'
import { ageSince, bytes, milliseconds, number } from './format.ts'
import { moveText } from './move.ts'
import type { ReadOptions } from './options.ts'
import { harmless, print, printJson } from './output.ts'
import { type Column, table } from './table.ts'

const COLUMNS: readonly Column[] = [
  { title: 'NODE' },
  { title: 'COST', right: true },
  { title: 'MARGINAL', right: true },
  { title: 'PLACE', right: true },
  { title: 'NEWS', right: true },
  { title: '' },
]

/** `aries explain <class>/<key>` */
export async function explain(id: WorkerId, options: ReadOptions): Promise<void> {
  const detail = await withClient(options, (client) =>
    client.get('GET /api/workers/{class}/{key}', { ...id }),
  )
  if (options.json) printJson(detail)
  else print(explainText(detail))
}

function explainText(detail: WorkerDetail): string {
  const { node, epoch, decision, earlier = [], lastMove, cannotMove, standby, traffic } = detail
  const lines = [`${formatWorkerId(detail)} lives on ${node} under epoch ${epoch}`]
  if (standby) lines.push(`its standby is on ${standby}`)
  if (cannotMove) lines.push(`it cannot move now: ${harmless(cannotMove)}`)
  for (const one of traffic ?? []) lines.push(trafficLine(one))
  lines.push('', ...(decision ? decisionLines(decision) : ['no decision about it is remembered']))
  for (const one of earlier) lines.push('', ...decisionLines(one, 'before'))
  if (lastMove) lines.push('', 'last move', moveText(lastMove))
  return lines.join('\n')
}

function trafficLine(traffic: WorkerTraffic): string {
  const { node, address, messagesPerSecond, bytesPerSecond } = traffic
  const peer = traffic.with ?? (node === undefined ? 'fronts' : 'tasks')
  const at = node ?? address ?? 'an unknown place'
  const rate = `${number(messagesPerSecond, 1)}/s, ${bytes(bytesPerSecond)}/s`
  return `it talks to ${harmless(peer)} on ${harmless(at)}: ${rate}`
}

function decisionLines(decision: Decision, which = 'last decision'): string[] {
  const { why, by, chosen, atMs, candidates, failure } = decision
  const when = `${ageSince(atMs)} ago`
  const head = `${which}: ${why}, by ${by}, ${when}; chosen: ${chosen ?? 'none'}`
  return [
    head,
    ...(failure === undefined ? [] : [`it did not come to pass: ${harmless(failure)}`]),
    table(
      COLUMNS,
      candidates.map((candidate) => row(candidate, chosen)),
    ),
  ]
}

function row(candidate: CandidateCost, chosen: string | undefined): string[] {
  const { id, cost, marginal, place, loadAgeMs, excluded } = candidate
  return [
    id,
    number(cost, 3),
    number(marginal, 4),
    place === undefined ? '' : number(place, 4),
    `${milliseconds(loadAgeMs)} old`,
    excluded === undefined ? (id === chosen ? 'chosen' : '') : harmless(excluded),
  ]
}
