import type { Readable } from 'node:stream'
import { AriesError } from '../errors.ts'
import { JOBS_LIMIT_MAX, jobId, jobSpec, signalOf } from '../jobs/job.ts'
import { outputQuery } from '../jobs/job-streams.ts'
import type { AdminEndpoint, KillBody } from './api.ts'
import type { ClusterView } from './cluster-view.ts'

export type JobEndpoint = Extract<AdminEndpoint, `${string}/api/jobs${string}`>

export function isJobEndpoint(endpoint: AdminEndpoint): endpoint is JobEndpoint {
  return endpoint.includes(' /api/jobs')
}

interface Asked {
  readonly id: string | undefined
  readonly body?: unknown
  readonly file: Readable | undefined
  readonly query: URLSearchParams
}

interface Answer {
  readonly status?: number
  readonly json?: unknown
  readonly file?: { readonly type: string; readonly body: Readable }
}

/** Answers what the admin API has of jobs. */
export async function answerJobs(
  view: ClusterView,
  endpoint: JobEndpoint,
  { id, body, file, query }: Asked,
): Promise<Answer> {
  switch (endpoint) {
    case 'GET /api/jobs':
      return { json: await view.jobs({ past: query.get('all') === 'true', limit: limitOf(query) }) }
    case 'POST /api/jobs':
      return { json: await view.submitJob(jobSpec(body)) }
    case 'GET /api/jobs/{id}':
      return { json: await view.job(jobId(id)) }
    case 'POST /api/jobs/{id}/kill': {
      const { signal } = body as KillBody
      return {
        json: await view.killJob(jobId(id), signal === undefined ? undefined : signalOf(signal)),
      }
    }
    case 'GET /api/jobs/{id}/output':
      return streamed(await view.jobStream(jobId(id), `/output/${id}${outputQuery(query)}`))
    case 'POST /api/jobs/{id}/input':
      return streamed(await view.jobStream(jobId(id), `/input/${id}`, file))
  }
}

function streamed({ status, type, body }: Awaited<ReturnType<ClusterView['file']>>): Answer {
  return { status, file: { type, body } }
}

function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? JOBS_LIMIT_MAX)
  if (Number.isInteger(limit) && limit >= 1 && limit <= JOBS_LIMIT_MAX) return limit
  throw new AriesError('ARIES_E_BAD_REQUEST', `limit is a number from 1 to ${JOBS_LIMIT_MAX}`)
}
