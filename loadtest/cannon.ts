import autocannon, { type Result } from 'autocannon'

export interface Shot {
  readonly url: string
  readonly method: 'GET' | 'POST'
  /** The path of each request; called once a request. */
  readonly path: () => string
  readonly connections: number
  /** Requests to send; each of them gets an answer or an error. */
  readonly amount: number
  /** Requests per second over all connections; latencies are then corrected for stalls. */
  readonly overallRate?: number
}

export interface Hits {
  /** Answers with 2xx. */
  readonly ok: number
  /** Anything else: other statuses, connection errors, time-outs. */
  readonly errors: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
}

/**
 * One run of autocannon. By count and not by time, so that no request is cut off and every
 * increment is known to be acknowledged or not.
 */
export async function fire(shot: Shot): Promise<Hits> {
  const startedMs = performance.now()
  let lastMs = startedMs
  const result = await new Promise<Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: shot.url,
        connections: shot.connections,
        amount: shot.amount,
        timeout: 30,
        ...(shot.overallRate === undefined ? {} : { overallRate: shot.overallRate }),
        requests: [
          {
            method: shot.method,
            setupRequest: (request) => ({ ...request, path: shot.path() }),
          },
        ],
      },
      (error: unknown, result) => (error ? reject(error) : resolve(result)),
    )
    run.on('response', () => {
      lastMs = performance.now()
    })
  })
  const ok = result['2xx']
  return {
    ok,
    errors: result.non2xx + result.errors + result.timeouts,
    perSecond: (ok * 1_000) / Math.max(1, lastMs - startedMs),
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    p999Ms: result.latency.p99_9,
  }
}
