import { AriesError } from '../errors.ts'
import type { AttemptDetail, RequestDetail, TargetCost } from '../front/request-detail.ts'
import { eachFront } from './each-front.ts'
import { ageSince, milliseconds, number } from './format.ts'
import type { ReadOptions } from './options.ts'
import { harmless, print, printJson } from './output.ts'
import { type Column, table } from './table.ts'

const PATH_WIDTH = 40

const LIST: readonly Column[] = [
  { title: 'REQUEST', widthMax: 34 },
  { title: 'FRONT' },
  { title: 'AGE' },
  { title: 'METHOD' },
  { title: 'PATH', widthMax: PATH_WIDTH },
  { title: 'STATUS', right: true },
  { title: 'TIME', right: true },
  { title: 'ATTEMPTS', right: true },
  { title: 'TARGET' },
]

const ATTEMPTS: readonly Column[] = [
  { title: 'ATTEMPT' },
  { title: 'TARGET' },
  { title: 'BY' },
  { title: 'WAITED', right: true },
  { title: 'CHOSEN', right: true },
  { title: 'CONNECTED', right: true },
  { title: 'SENT', right: true },
  { title: 'HEAD', right: true },
  { title: 'END', right: true },
  { title: 'RESULT' },
]

const CANDIDATES: readonly Column[] = [
  { title: 'TARGET' },
  { title: 'COST', right: true },
  { title: 'IN FLIGHT', right: true },
  { title: '' },
]

export type ExplainRequestsOptions = ReadOptions & { readonly request?: string }

/** `aries explain --requests` and `aries explain --request <id>`: every front is asked. */
export async function explainRequests(options: ExplainRequestsOptions): Promise<void> {
  const { request, json } = options
  const query = request === undefined ? {} : { id: request }
  const answers = await eachFront(options, (client) => client.get('GET /api/requests', {}, query))
  const details = answers.flatMap(([, each]) => each).sort((a, b) => b.atMs - a.atMs)
  if (request !== undefined && details.length === 0) {
    throw new AriesError('ARIES_E_REQUEST_UNKNOWN', `no front has written request ${request} down`)
  }
  if (json) printJson(details)
  else if (request !== undefined) print(details.map(detailText).join('\n\n'))
  else if (details.length === 0) print('no request was written down; front.explain says which are')
  else print(table(LIST, details.map(listRow)))
}

function listRow(detail: RequestDetail): string[] {
  const { id, front, atMs, method, path, status, ms, attempts } = detail
  return [
    id,
    front,
    ageSince(atMs),
    method,
    path,
    String(status),
    milliseconds(ms),
    String(attempts.length),
    attempts.at(-1)?.target ?? '',
  ]
}

function detailText(detail: RequestDetail): string {
  const { id, method, path, http, front, shard, atMs, route, kind, status, error, ms } = detail
  const { attempts, unchosen, traceId } = detail
  const when = `${ageSince(atMs)} ago`
  const where = route === undefined ? 'no route' : `route ${route} (${kind})`
  const lines = [
    harmless(`${method} ${path} (HTTP/${http}) at ${front}, shard ${shard}, ${when}`),
    harmless(`request ${id}${traceId === undefined || traceId === id ? '' : `, trace ${traceId}`}`),
    harmless(`${where}; ${endText(status, error)} after ${milliseconds(ms)}`),
  ]
  if (attempts.length > 0) lines.push('', table(ATTEMPTS, attempts.map(attemptRow)))
  for (const [i, { candidates = [], target }] of attempts.entries()) {
    if (candidates.length === 0) continue
    lines.push('', `candidates of attempt ${i + 1}`, candidatesText(candidates, target))
  }
  if (unchosen !== undefined && unchosen.length > 0) {
    lines.push('', 'candidates of the last choice, which chose none', candidatesText(unchosen))
  }
  return lines.join('\n')
}

function endText(status: number, error: string | undefined): string {
  if (status === 499) return 'the client left'
  if (status === 0) return 'the answer broke off'
  return error === undefined ? String(status) : `${status} ${error}`
}

function attemptRow(attempt: AttemptDetail, index: number): string[] {
  const { why, target, by, waitedMs, chosenMs, connectedMs, sentMs, headMs, endMs } = attempt
  const { status, failure, reused } = attempt
  return [
    `${index + 1} ${why}`,
    target,
    by ?? '',
    timeText(waitedMs),
    timeText(chosenMs),
    `${timeText(connectedMs)}${reused === false ? ' (new)' : ''}`,
    timeText(sentMs),
    timeText(headMs),
    timeText(endMs),
    failure ?? (status === undefined ? 'given up' : String(status)),
  ]
}

function timeText(ms: number | undefined): string {
  return ms === undefined ? '' : milliseconds(ms)
}

function candidatesText(candidates: readonly TargetCost[], chosen?: string): string {
  const rows = candidates.map(({ id, cost, inFlight, compared, excluded }) => [
    id,
    number(cost, 4),
    String(inFlight),
    excluded ?? (id === chosen ? 'chosen' : compared ? '' : 'not drawn'),
  ])
  return table(CANDIDATES, rows)
}
