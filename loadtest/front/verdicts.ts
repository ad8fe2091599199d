/** What is asked of the front, beside what was measured. */

interface Figures {
  readonly case: string
  readonly proxy: string
  readonly cpuUs: number
  readonly perSecond: number
}

interface Demand {
  readonly text: string
  readonly case: string
  readonly than: string
  readonly figure: 'cpuUs' | 'perSecond'
  /** The most that ours may be of theirs; for `perSecond` the least. */
  readonly bound: number
}

const DEMANDS: readonly Demand[] = [
  { text: 'CPU of HAProxy', case: 'small', than: 'haproxy', figure: 'cpuUs', bound: 1.4 },
  {
    text: 'CPU of http-proxy with agent',
    case: 'small',
    than: 'http-proxy with agent',
    figure: 'cpuUs',
    bound: 0.25,
  },
  { text: 'requests/s of nginx', case: 'small', than: 'nginx', figure: 'perSecond', bound: 1 },
  { text: 'CPU of HAProxy', case: 'TCP', than: 'haproxy', figure: 'cpuUs', bound: 1.2 },
]

/** A line for each demand of which both figures are there. */
export function verdicts(rows: readonly Figures[]): string {
  const find = (of: string, name: string): Figures | undefined =>
    rows.find((row) => row.case === of && row.proxy === name)
  return DEMANDS.flatMap((demand) => {
    const ours = find(demand.case, 'aries')
    const theirs = find(demand.case, demand.than)
    if (ours === undefined || theirs === undefined) return []
    const ratio = ours[demand.figure] / theirs[demand.figure]
    const isLeast = demand.figure === 'perSecond'
    const reached = isLeast ? ratio >= demand.bound : ratio <= demand.bound
    const asked = `${isLeast ? '≥' : '≤'} ${demand.bound} × ${demand.text}`
    return [
      `${demand.case}: asked ${asked}, measured ${ratio.toFixed(2)}: ${reached ? 'reached' : 'missed'}`,
    ]
  }).join('\n')
}
