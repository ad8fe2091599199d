import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { CandidateCost, Decision } from '../placement/types.ts'
import type { WorkerDetail } from '../rpc.ts'
import { withClient } from './client.ts'
import { age, milliseconds, number } from './format.ts'
import { moveText } from './move.ts'
import type { ReadOptions } from './options.ts'
import { harmless, print, printJson } from './output.ts'
import { type Column, table } from './table.ts'

const COLUMNS: readonly Column[] = [
  { title: 'NODE' },
  { title: 'COST', right: true },
  { title: 'MARGINAL', right: true },
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
  const { node, epoch, decision, lastMove, cannotMove, standby } = detail
  const lines = [`${formatWorkerId(detail)} lives on ${node} under epoch ${epoch}`]
  if (standby) lines.push(`its standby is on ${standby}`)
  if (cannotMove) lines.push(`it cannot move now: ${harmless(cannotMove)}`)
  lines.push('', ...(decision ? decisionLines(decision) : ['no decision about it is remembered']))
  if (lastMove) lines.push('', 'last move', moveText(lastMove))
  return lines.join('\n')
}

function decisionLines(decision: Decision): string[] {
  const { why, by, chosen, atMs, candidates } = decision
  const when = `${age(Math.max(0, Date.now() - atMs))} ago`
  return [
    `last decision: ${why}, by ${by}, ${when}; chosen: ${chosen ?? 'none'}`,
    table(
      COLUMNS,
      candidates.map((candidate) => row(candidate, chosen)),
    ),
  ]
}

function row(candidate: CandidateCost, chosen: string | undefined): string[] {
  return [
    candidate.id,
    number(candidate.cost, 3),
    number(candidate.marginal, 4),
    `${milliseconds(candidate.loadAgeMs)} old`,
    candidate.excluded ?? (candidate.id === chosen ? 'chosen' : ''),
  ]
}
